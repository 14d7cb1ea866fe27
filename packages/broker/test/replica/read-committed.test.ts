/**
 * Goal: readers of committed records end at the last stable offset and are told which transactions
 * were aborted, by the leader and by a follower alike. Method: transactions and their markers go
 * into the leader's log as its own coordinator would put them there; two brokers over real sockets.
 */
import { expect, test } from '@jest/globals';
import { apis, encodeTransactionMarker } from '@odradek/protocol';
import {
  batchOf,
  fetchInput,
  partitionOf,
  recordsOf,
  type TestBroker,
  until,
  withCluster,
} from './support.ts';

const READ_COMMITTED = 1;

function append(broker: TestBroker, records: Buffer): void {
  void broker.partition.append(records, -1, 'coordinator');
}

const data = (producerId: bigint, values: readonly string[]): Buffer =>
  batchOf(values, { producerId, producerEpoch: 0, baseSequence: 0, transactional: true });

const marker = (producerId: bigint, kind: 'abort' | 'commit'): Buffer =>
  encodeTransactionMarker({
    kind,
    producerId,
    producerEpoch: 0,
    coordinatorEpoch: 0,
    timestamp: 1_700_000_000_000,
  });

/** What a consumer of committed records is answered. */
async function consume(broker: TestBroker, changes: Parameters<typeof fetchInput>[0] = {}) {
  const input = fetchInput({ isolationLevel: READ_COMMITTED, ...changes });
  return partitionOf(await broker.send(apis.fetch, 17, input));
}

test('what was aborted is told by leader and follower, what is undecided is held back', () =>
  withCluster(2, async (controller, [leader, follower]) => {
    if (!leader || !follower) throw new Error('two brokers');
    await controller.elect(1, [1, 2]);
    controller.announce();
    append(leader, data(7n, ['aborted 0', 'aborted 1']));
    append(leader, batchOf(['plain 2']));
    append(leader, data(8n, ['committed 3']));
    append(leader, marker(7n, 'abort')); // 4
    append(leader, marker(8n, 'commit')); // 5
    append(leader, data(9n, ['aborted 6']));
    append(leader, marker(9n, 'abort')); // 7
    append(leader, batchOf(['plain 8']));
    append(leader, data(7n, ['open 9']));
    for (const broker of [leader, follower]) {
      await until(() => broker.partition.highWatermark === 10);
      const whole = await consume(broker);
      expect(whole.lastStableOffset).toBe(9);
      expect(whole.highWatermark).toBe(10);
      expect(recordsOf(whole.records).at(-1)).toEqual({ offset: 8, value: 'plain 8' });
      expect(whole.abortedTransactions).toEqual([
        { producerId: 7n, firstOffset: 0 },
        { producerId: 9n, firstOffset: 6 },
      ]);
      // Of the second half only what reaches into it; and nothing of what lies behind it.
      expect((await consume(broker, { offset: 5 })).abortedTransactions).toEqual([
        { producerId: 9n, firstOffset: 6 },
      ]);
      expect((await consume(broker, { partitionMaxBytes: 1 })).abortedTransactions).toEqual([
        { producerId: 7n, firstOffset: 0 },
      ]);
      expect((await consume(broker, { offset: 8 })).abortedTransactions).toEqual([]);
      expect((await consume(broker, { offset: 9 })).abortedTransactions).toEqual([]);
      const all = await consume(broker, { isolationLevel: 0 });
      expect(all.abortedTransactions).toBeNull();
      expect(recordsOf(all.records).at(-1)).toEqual({ offset: 9, value: 'open 9' });
    }
    // A reader that waits at the open transaction is answered when its end is replicated.
    const waiting = consume(leader, { offset: 9, maxWaitMs: 60_000 });
    append(leader, marker(7n, 'abort')); // 10
    const woken = await waiting;
    expect(woken.abortedTransactions).toEqual([{ producerId: 7n, firstOffset: 9 }]);
    expect(woken.lastStableOffset).toBe(11);
  }));
