/**
 * Goal: what is acknowledged under acks=all is held by everybody who may be elected, and replicas
 * that parted end up the same. Method: two or three data planes with real logs over real sockets,
 * and a controller that does what the test says.
 */
import { describe, expect, test } from '@jest/globals';
import { apis, errorCodes, kafkaErrorOf } from '@odradek/protocol';
import {
  fetchInput,
  partitionOf,
  TestBroker,
  TOPIC,
  TOPIC_ID,
  until,
  withCluster,
} from './support.ts';

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

test('acks=all is answered when every replica has the batch, and consumers see it', () =>
  withCluster(3, async (controller, [one, two, three]) => {
    if (!one || !two || !three) throw new Error('three brokers');
    await controller.elect(1, [1, 2, 3]);
    expect(await one.produce(['a', 'b'])).toEqual({ error: 'NONE', offset: 0 });
    for (const follower of [two, three]) expect(await follower.everything()).toEqual(['a', 'b']);
    expect(await one.consume()).toEqual(['a', 'b']);
    expect(await one.produce(['c'], 1)).toEqual({ error: 'NONE', offset: 2 });
    await until(() => one.partition.highWatermark === 3);
    // Followers learn the high watermark with their next fetches, and serve consumers then.
    await until(() => two.partition.highWatermark === 3);
    expect(await two.consume()).toEqual(['a', 'b', 'c']);
  }));

test('replicas hold the same bytes', () =>
  withCluster(2, async (controller, [one, two]) => {
    if (!one || !two) throw new Error('two brokers');
    await controller.elect(1, [1, 2]);
    for (let n = 0; n < 20; n += 1) await one.produce(numbered(`v${n}-`, n + 1), n % 2 ? 1 : -1);
    await until(() => two.partition.log.logEndOffset === one.partition.log.logEndOffset);
    const bytes = async ({ partition: { log } }: TestBroker) =>
      Buffer.concat((await log.read(0, 10_000_000, log.logEndOffset, true)).chunks);
    expect((await bytes(one)).equals(await bytes(two))).toBe(true);
    expect(two.partition.log.latestEpoch).toBe(1);
  }));

test('acks=all waits for a replica that does not come, and time-outs leave the data', () =>
  withCluster(2, async (controller, [one, two]) => {
    if (!one || !two) throw new Error('two brokers');
    await controller.elect(1, [1, 2], [1]);
    expect(await one.produce(['a'], -1, 50)).toEqual({ error: 'REQUEST_TIMED_OUT', offset: -1 });
    expect(await one.consume()).toEqual([]);
    expect(await one.everything()).toEqual(['a']);
    const waiting = one.produce(['b'], -1, 60_000);
    await controller.assign(2);
    expect(await waiting).toEqual({ error: 'NONE', offset: 1 });
    expect(await one.consume()).toEqual(['a', 'b']);
  }));

describe('a new leader', () => {
  test('has everything that was acknowledged, and goes on', () =>
    withCluster(3, async (controller, [one, two, three]) => {
      if (!one || !two || !three) throw new Error('three brokers');
      await controller.elect(1, [1, 2, 3]);
      const acknowledged: string[] = [];
      for (const value of numbered('v', 50))
        if ((await one.produce([value])).error === 'NONE') acknowledged.push(value);
      await controller.elect(2, [2, 3], [2, 3]);
      controller.announce([2, 3]);
      expect((await two.produce(['after'])).error).toBe('NONE');
      expect(await two.consume()).toEqual([...acknowledged, 'after']);
      await controller.assign(1);
      controller.announce();
      await until(() => one.partition.log.logEndOffset === 51);
      expect(await one.everything()).toEqual([...acknowledged, 'after']);
    }));

  test('ends the wait of those who waited for the old one', () =>
    withCluster(2, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1, 2], [1]);
      const waiting = one.produce(['a'], -1, 60_000);
      await until(() => one.partition.log.logEndOffset === 1);
      await controller.elect(2, [1, 2]);
      expect((await waiting).error).toBe('NOT_LEADER_OR_FOLLOWER');
    }));

  test('makes the old one drop what nobody else had', () =>
    withCluster(2, async (controller, [one, two]) => {
      if (!one || !two) throw new Error('two brokers');
      await controller.elect(1, [1, 2]);
      await one.produce(['shared-0', 'shared-1']);
      // Broker 2 goes away; broker 1 appends what will be lost, under two epochs.
      await controller.elect(-1, [1], [2]);
      await controller.elect(1, [1], [1]);
      await one.produce(['lost-0'], 1);
      await controller.elect(1, [1], [1]);
      await one.produce(['lost-1', 'lost-2'], 1);
      // Unclean: broker 2 leads without them, and writes something else.
      await controller.elect(2, [2], [2]);
      await two.produce(['new-0', 'new-1'], 1);
      await controller.elect(2, [2]);
      await until(() => one.partition.log.logEndOffset === two.partition.log.logEndOffset);
      expect(await one.everything()).toEqual(['shared-0', 'shared-1', 'new-0', 'new-1']);
      expect(one.lines.some(({ message }) => message.startsWith('cutting a log'))).toBe(true);
    }));
});

describe('the ISR', () => {
  test('loses a follower that is gone, and takes it back when it has caught up', () =>
    withCluster(2, async (controller, [one, two], folder) => {
      if (!one || !two) throw new Error('two brokers');
      await controller.elect(1, [1, 2]);
      await one.produce(['a']);
      await two.stop();
      controller.brokers.delete(2);
      expect((await one.produce(['b'], -1, 20_000)).error).toBe('NONE');
      expect(controller.stored.isr).toEqual([1]);
      expect(one.partition.leader?.isr).toEqual([1]);
      const back = await TestBroker.start({ id: 2, controller, folder });
      controller.announce();
      await controller.assign(2);
      await until(() => controller.stored.isr.length === 2);
      expect(await back.everything()).toEqual(['a', 'b']);
      expect((await one.produce(['c'])).error).toBe('NONE');
      expect(await back.everything()).toEqual(['a', 'b', 'c']);
    }));

  test('is asked for again when the controller cannot be reached', () =>
    withCluster(2, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      controller.refusals.push('UNKNOWN_SERVER_ERROR', 'UNKNOWN_SERVER_ERROR');
      await controller.elect(1, [1]);
      await until(() => controller.stored.isr.length === 2);
      expect(controller.refusals).toEqual([]);
      await until(() => one.partition.leader?.isr.length === 2);
    }));

  test('stays as it was when the controller finds a replica ineligible, and is asked for later', () =>
    withCluster(2, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      controller.refusals.push('INELIGIBLE_REPLICA');
      await controller.elect(1, [1]);
      await until(() => controller.stored.isr.length === 2);
      await until(() => one.partition.leader?.proposed === null);
      expect(one.partition.leader?.isr).toEqual([1, 2]);
    }));
});

describe('min.insync.replicas', () => {
  test('refuses acks=all before anything is written', () =>
    withCluster(
      2,
      async (controller, [one]) => {
        if (!one) throw new Error('a broker');
        controller.announce([1]);
        await controller.elect(1, [1], [1]);
        expect(await one.produce(['a'])).toEqual({ error: 'NOT_ENOUGH_REPLICAS', offset: -1 });
        expect(await one.everything()).toEqual([]);
        // acks=1 is taken, but nobody sees it before enough replicas have it.
        expect((await one.produce(['b'], 1)).error).toBe('NONE');
        expect(await one.consume()).toEqual([]);
        controller.announce();
        await controller.assign(2);
        await until(() => one.partition.highWatermark === 1);
        expect(await one.consume()).toEqual(['b']);
      },
      { minInsyncReplicas: 2 },
    ));

  test('that is not met any more when the replicas have it is told', () =>
    withCluster(2, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1, 2], [1]);
      const waiting = one.produce(['a'], -1, 60_000);
      await until(() => one.partition.log.logEndOffset === 1);
      one.state.minInsyncReplicas = 2;
      await controller.elect(1, [1], [1]);
      one.state.minInsyncReplicas = 1;
      await until(() => one.partition.log.logEndOffset === 1);
      one.partition.shrinkIsr();
      await controller.assign(2);
      expect(['NONE', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND']).toContain((await waiting).error);
    }));
});

describe('a leader whose coordinator session is in doubt', () => {
  test('makes no new promise under acks=all', () =>
    withCluster(2, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1, 2]);
      one.state.fenced = true;
      expect((await one.produce(['a'])).error).toBe('NOT_LEADER_OR_FOLLOWER');
      expect((await one.produce(['b'], 1)).error).toBe('NONE');
      one.state.fenced = false;
      expect((await one.produce(['c'])).error).toBe('NONE');
      expect(await one.consume()).toEqual(['b', 'c']);
    }));

  test('goes on where nobody else could be elected', () =>
    withCluster(1, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1]);
      one.state.fenced = true;
      expect((await one.produce(['a'])).error).toBe('NONE');
    }));
});

describe('orders of the controller', () => {
  test('of an older epoch, or the same, are refused', () =>
    withCluster(1, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      controller.epoch = 5;
      await controller.elect(1, [1]);
      await expect(controller.assign(1)).rejects.toThrow('STALE_CONTROLLER_EPOCH');
      controller.epoch = 4;
      controller.stored = { ...controller.stored, leaderEpoch: 9 };
      const response = await one.send(apis.leaderAndIsr, 7, controller.leaderAndIsr());
      expect(kafkaErrorOf(response.errorCode)).toBe('STALE_CONTROLLER_EPOCH');
    }));

  test('for a topic of the same name but another id are refused', () =>
    withCluster(1, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1]);
      const order = controller.leaderAndIsr();
      const response = await one.send(apis.leaderAndIsr, 7, {
        ...order,
        topicStates: (order.topicStates ?? []).map((topic) => ({
          ...topic,
          topicId: 'AAAAAAAAAAAAAAAAAAAAAg',
          partitionStates: topic.partitionStates.map((state) => ({ ...state, leaderEpoch: 8 })),
        })),
      });
      expect(response.topics[0]?.partitionErrors[0]?.errorCode).toBe(
        errorCodes.INCONSISTENT_TOPIC_ID,
      );
    }));

  test('in the oldest form are carried out too', () =>
    withCluster(1, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      const response = await one.send(apis.leaderAndIsr, 1, {
        controllerId: 1,
        controllerEpoch: 1,
        ungroupedPartitionStates: [
          {
            topicName: TOPIC,
            partitionIndex: 0,
            controllerEpoch: 1,
            leader: 1,
            leaderEpoch: 0,
            isr: [1],
            partitionEpoch: 0,
            replicas: [1],
            isNew: true,
          },
        ],
        liveLeaders: [],
      });
      expect(response).toMatchObject({
        errorCode: 0,
        partitionErrors: [{ topicName: TOPIC, partitionIndex: 0, errorCode: 0 }],
      });
      expect((await one.produce(['a'])).error).toBe('NONE');
      // The topic's id comes later, under the same epoch.
      controller.stored = { leader: 1, leaderEpoch: 0, isr: [1], partitionEpoch: 0 };
      await controller.assign(1);
      expect(one.partition.log.topicId).toBe(TOPIC_ID);
      expect(await one.consume()).toEqual(['a']);
    }));

  test("to stop end everybody's waiting; to delete take the log away", () =>
    withCluster(2, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1, 2], [1]);
      const producing = one.produce(['a'], -1, 60_000);
      await until(() => one.partition.log.logEndOffset === 1);
      const fetching = one.send(apis.fetch, 17, fetchInput({ offset: 0, maxWaitMs: 60_000 }));
      const stale = await stop({ leaderEpoch: 0, deletePartition: true });
      expect(stale).toBe('FENCED_LEADER_EPOCH');
      expect(await stop({ deletePartition: false })).toBe('NONE');
      expect((await producing).error).toBe('NOT_LEADER_OR_FOLLOWER');
      expect(kafkaErrorOf(partitionOf(await fetching).errorCode)).toBe('NOT_LEADER_OR_FOLLOWER');
      expect(one.replicas.partition(TOPIC, 0)).toBeUndefined();
      expect(one.logs.get(TOPIC, 0)).toBeDefined();
      expect(await stop({ deletePartition: true })).toBe('NONE');
      expect(one.logs.get(TOPIC, 0)).toBeUndefined();

      async function stop(changes: { leaderEpoch?: number; deletePartition: boolean }) {
        const order = controller.stopReplica(changes.deletePartition);
        // A connection of its own: the test's other one is busy waiting.
        const response = await one?.controlled.stopReplicas(
          apis.stopReplica.request.decode(
            apis.stopReplica.request.encode(
              {
                ...order,
                topicStates: (order.topicStates ?? []).map((topic) => ({
                  ...topic,
                  partitionStates: topic.partitionStates.map((state) => ({ ...state, ...changes })),
                })),
              },
              4,
            ),
            4,
          ),
        );
        return kafkaErrorOf(response?.partitionErrors[0]?.errorCode ?? -1);
      }
    }));
});

test('a follower whose place the leader has dropped starts anew', () =>
  withCluster(2, async (controller, [one, two]) => {
    if (!one || !two) throw new Error('two brokers');
    await controller.elect(1, [1], [1]);
    for (const value of numbered('v', 10)) await one.produce([value], 1);
    await one.partition.log.advanceLogStart(7);
    await controller.assign(2);
    await until(() => controller.stored.isr.length === 2);
    expect(two.partition.log.logStartOffset).toBe(7);
    expect(await two.everything()).toEqual(['v7', 'v8', 'v9']);
    expect((await one.produce(['next'])).error).toBe('NONE');
    expect(await two.everything()).toEqual(['v7', 'v8', 'v9', 'next']);
  }));

test('a broker that starts again knows its high watermark', () =>
  withCluster(1, async (controller, [one], folder) => {
    if (!one) throw new Error('a broker');
    await controller.elect(1, [1]);
    await one.produce(['a', 'b']);
    await one.stop();
    const again = await TestBroker.start({ id: 1, controller, folder });
    controller.announce();
    await controller.elect(1, [1]);
    expect(again.partition.highWatermark).toBe(2);
    expect(await again.consume()).toEqual(['a', 'b']);
  }));
