/**
 * The controller's machine, event by event, over a cluster in memory: what it stores and whom it
 * tells what.
 */
import { describe, expect, test } from '@jest/globals';
import { millis } from '@odradek/runtime';
import { DURING_DELETE } from '../../../src/core/controller/control-batch.ts';
import {
  FIRST_REBALANCE_AFTER_MS,
  MAX_QUEUED_EVENTS,
} from '../../../src/core/controller/controller.ts';
import { keyOf, replicasOnly } from '../../../src/core/controller/state.ts';
import { Model, rolesIn, type Sent } from './model.ts';

const kinds = (sent: readonly Sent[]) => sent.map(({ to, request }) => `${request.kind}>${to}`);
const ofKind = (sent: readonly Sent[], kind: string) =>
  sent.filter(({ request }) => request.kind === kind);

/** Three brokers and one topic, in office. */
function cluster(...replicas: number[][]): Model {
  const model = new Model();
  model.register(1, 2, 3);
  if (replicas.length > 0) model.createTopic('t', ...replicas);
  model.send({ kind: 'start' });
  model.takeSent();
  return model;
}

function lose(model: Model, ...ids: number[]): void {
  for (const id of ids) model.brokers.delete(id);
  model.send({ kind: 'brokersChanged' });
}

function bringBack(model: Model, ...ids: number[]): void {
  model.register(...ids);
  model.send({ kind: 'brokersChanged' });
}

describe('taking office', () => {
  test('brokers hear who is alive before they are given roles', () => {
    const model = new Model();
    model.register(1, 2);
    model.createTopic('t', [1, 2]);
    model.send({ kind: 'start' });
    const sent = model.takeSent();
    expect(kinds(sent).slice(0, 2)).toEqual(['updateMetadata>1', 'updateMetadata>2']);
    expect(sent[0]?.request).toMatchObject({ partitions: [], liveBrokers: [{ id: 1 }, { id: 2 }] });
    expect(kinds(sent).indexOf('leaderAndIsr>1')).toBeGreaterThan(1);
  });

  test('what was announced to an earlier controller is discarded', () => {
    const model = new Model();
    model.isrChanges = [{ topic: 'gone', partition: 0 }];
    model.logDirEvents = [1];
    model.send({ kind: 'start' });
    expect(model.isrChanges).toEqual([]);
    expect(model.logDirEvents).toEqual([]);
  });

  test('topics without an id get one', () => {
    const model = new Model();
    model.register(1);
    model.topics.set('old', { topicId: null, partitions: new Map([[0, replicasOnly([1])]]) });
    model.send({ kind: 'start' });
    expect(model.topics.get('old')?.topicId).toMatch(/^made/);
    expect(model.controller.context.topicNameOfId(model.topics.get('old')?.topicId ?? '')).toBe(
      'old',
    );
  });

  test('a leader that died between two terms is replaced, a healthy one is left alone', () => {
    const model = cluster([1, 2], [2, 1]);
    model.brokers.delete(1);
    model.failOver();
    expect(model.state('t', 0)).toMatchObject({ leader: 2, isr: [2] });
    expect(model.state('t', 1)).toMatchObject({ leader: 2, isr: [2] });
    const healthy = cluster([1, 2]);
    const before = healthy.state('t');
    healthy.failOver();
    expect(healthy.state('t')).toEqual(before);
  });
});

describe('topics', () => {
  test('a new topic: state of epoch 0, roles to the ISR as new, metadata to all', () => {
    const model = cluster();
    model.createTopic('t', [1, 2], [3, 1]);
    model.send({ kind: 'topicsChanged' });
    expect(model.state('t', 0)).toEqual({
      leader: 1,
      leaderEpoch: 0,
      isr: [1, 2],
      leaderRecoveryState: 0,
      controllerEpoch: 1,
      partitionEpoch: 0,
    });
    const sent = model.takeSent();
    expect(kinds(sent)).toEqual([
      'leaderAndIsr>1',
      'leaderAndIsr>2',
      'leaderAndIsr>3',
      'updateMetadata>1',
      'updateMetadata>2',
      'updateMetadata>3',
    ]);
    expect(sent.slice(0, 3).map(rolesIn)).toEqual([
      { 't-0': [1, [1, 2], true], 't-1': [3, [3, 1], true] },
      { 't-0': [1, [1, 2], true] },
      { 't-1': [3, [3, 1], true] },
    ]);
  });

  test('only live replicas begin in the ISR; without any the topic waits', () => {
    const model = cluster();
    lose(model, 1, 2);
    model.createTopic('t', [1, 3], [1, 2]);
    model.send({ kind: 'topicsChanged' });
    expect(model.state('t', 0)).toMatchObject({ leader: 3, isr: [3] });
    expect(model.states.has('t-1')).toBe(false);
    bringBack(model, 2);
    expect(model.state('t', 1)).toMatchObject({ leader: 2, isr: [2] });
  });

  test('more partitions in the znode become partitions', () => {
    const model = cluster([1, 2]);
    const topic = model.topics.get('t');
    if (topic === undefined) throw new Error('no topic');
    const partitions = new Map([...topic.partitions, [1, replicasOnly([2, 3])] as const]);
    model.topics.set('t', { ...topic, partitions });
    model.send({ kind: 'topicChanged', topic: 't' });
    expect(model.state('t', 1)).toMatchObject({ leader: 2, isr: [2, 3], leaderEpoch: 0 });
  });

  test('a topic whose znode is removed by hand is forgotten', () => {
    const model = cluster([1, 2]);
    model.topics.delete('t');
    model.send({ kind: 'topicsChanged' });
    expect(model.controller.context.topics.has('t')).toBe(false);
  });

  test('a state that an earlier controller stored at the last moment holds', () => {
    const model = cluster();
    model.createTopic('t', [1, 2]);
    model.before = ({ kind }) => {
      if (kind !== 'writeStates' || model.states.has('t-0')) return;
      const stored = { leader: 2, leaderEpoch: 4, isr: [2], leaderRecoveryState: 0 };
      model.states.set('t-0', { ...stored, controllerEpoch: 1, partitionEpoch: 0 });
    };
    model.send({ kind: 'topicsChanged' });
    expect(model.state('t')).toMatchObject({ leader: 2, leaderEpoch: 5, isr: [2] });
  });
});

describe('brokers that go and come', () => {
  test('the leader dies: the next of the ISR leads, the dead one leaves the ISR', () => {
    const model = cluster([1, 2, 3]);
    lose(model, 1);
    expect(model.state('t')).toMatchObject({ leader: 2, isr: [2, 3], leaderEpoch: 1 });
    const sent = model.takeSent();
    expect(ofKind(sent, 'leaderAndIsr').map(({ to }) => to)).toEqual([2, 3]);
    const announced = ofKind(sent, 'updateMetadata').at(-1)?.request;
    expect(announced).toMatchObject({ partitions: [{ offlineReplicas: [1] }] });
  });

  test('a follower dies: out of the ISR, the leader stays', () => {
    const model = cluster([1, 2, 3]);
    lose(model, 3);
    expect(model.state('t')).toMatchObject({ leader: 1, isr: [1, 2], leaderEpoch: 1 });
  });

  test('the last of the ISR dies: nobody leads, and the ISR remembers who has everything', () => {
    const model = cluster([1, 2]);
    lose(model, 2);
    lose(model, 1);
    expect(model.state('t')).toMatchObject({ leader: -1, isr: [1] });
    bringBack(model, 2); // Misses records.
    expect(model.state('t')).toMatchObject({ leader: -1, isr: [1] });
    bringBack(model, 1);
    expect(model.state('t')).toMatchObject({ leader: 1, isr: [1] });
  });

  test('an unclean election, where that is allowed', () => {
    const model = cluster([1, 2]);
    lose(model, 2);
    lose(model, 1);
    bringBack(model, 2);
    model.unclean.add('t');
    model.send({ kind: 'uncleanElectionEnabled' });
    expect(model.state('t')).toMatchObject({ leader: 2, isr: [2], leaderRecoveryState: 1 });
  });

  test('a broker that returns is told everything, the others only that it is there', () => {
    const model = cluster([1, 2], [2, 3]);
    lose(model, 2);
    model.takeSent();
    bringBack(model, 2);
    const sent = model.takeSent();
    expect(kinds(sent).slice(0, 3)).toEqual([
      'updateMetadata>1',
      'updateMetadata>3',
      'updateMetadata>2',
    ]);
    expect(sent[0]?.request).toMatchObject({ partitions: [] });
    expect(sent[2]?.request).toMatchObject({ partitions: [{ partition: 0 }, { partition: 1 }] });
    const roles = sent.find(({ to, request }) => to === 2 && request.kind === 'leaderAndIsr');
    expect(roles && rolesIn(roles)).toEqual({
      't-0': [1, [1], false],
      't-1': [3, [3], false],
    });
  });

  test('a broker that restarted between two looks lost its leadership', () => {
    const model = cluster([1, 2]);
    const before = model.brokers.get(1)?.epoch ?? 0;
    bringBack(model, 1);
    expect(model.brokers.get(1)?.epoch).toBeGreaterThan(before);
    expect(model.state('t')).toMatchObject({ leader: 2, isr: [2] });
    expect(model.effects.some(({ kind }) => kind === 'closeChannel')).toBe(true);
  });

  test('a broker that moved to another address is announced', () => {
    const model = cluster([1, 2]);
    const broker = model.brokers.get(2);
    if (broker === undefined) throw new Error('no broker');
    model.brokers.set(2, { ...broker, rack: 'r' });
    model.send({ kind: 'brokersChanged' });
    expect(kinds(model.takeSent())).toEqual([
      'updateMetadata>1',
      'updateMetadata>2',
      'updateMetadata>3',
    ]);
  });

  test('an ISR change in between is seen before the election is stored', () => {
    const model = cluster([1, 2, 3]);
    let changed = false;
    model.before = ({ kind }) => {
      if (kind !== 'writeStates' || changed) return;
      changed = true;
      model.changeIsr('t', [1, 3]);
    };
    lose(model, 1);
    expect(model.state('t')).toMatchObject({ leader: 3, isr: [3] });
  });

  test('what a newer controller wrote is left alone', () => {
    const model = cluster([1, 2]);
    model.states.set('t-0', { ...model.state('t'), controllerEpoch: 9, partitionEpoch: 7 });
    lose(model, 1);
    expect(model.state('t')).toMatchObject({ leader: 1, controllerEpoch: 9, partitionEpoch: 7 });
  });
});

describe('controlled shutdown', () => {
  const ask = (model: Model, brokerId: number, brokerEpoch: number) =>
    model.send({ kind: 'controlledShutdown', token: 1, brokerId, brokerEpoch });

  test('leaders move, followers stop, and nothing remains', () => {
    const model = cluster([1, 2], [2, 1], [1]);
    ask(model, 1, model.brokers.get(1)?.epoch ?? 0);
    expect(model.state('t', 0)).toMatchObject({ leader: 2, isr: [2] });
    expect(model.state('t', 1)).toMatchObject({ leader: 2, isr: [2] });
    expect(model.state('t', 2)).toMatchObject({ leader: 1, isr: [1] }); // Nobody else has it.
    expect(model.replies()).toEqual([{ kind: 'controlledShutdown', error: null, remaining: [] }]);
    const stops = ofKind(model.takeSent(), 'stopReplica');
    expect(stops[0]).toMatchObject({
      to: 1,
      request: { partitions: [{ topic: 't', partition: 1, delete: false, leaderEpoch: 0 }] },
    });
  });

  test('what nobody else can lead remains', () => {
    const model = cluster([1, 2]);
    model.changeIsr('t', [1]);
    ask(model, 1, -1);
    expect(model.replies()).toEqual([
      { kind: 'controlledShutdown', error: null, remaining: [{ topic: 't', partition: 0 }] },
    ]);
  });

  test.each([
    { brokerId: 9, brokerEpoch: 1, error: 'BROKER_NOT_AVAILABLE' },
    { brokerId: 1, brokerEpoch: 5, error: 'STALE_BROKER_EPOCH' },
  ])('refused with $error', ({ brokerId, brokerEpoch, error }) => {
    const model = cluster([1, 2]);
    ask(model, brokerId, brokerEpoch);
    expect(model.replies()).toMatchObject([{ error }]);
    expect(model.state('t').leader).toBe(1);
  });
});

describe('deletion', () => {
  /** Answers every StopReplica that deletes, as brokers do. */
  function removeLogs(
    model: Model,
    sent: readonly Sent[],
    outcome: 'deleted' | 'failed' = 'deleted',
  ) {
    for (const { to, request } of sent) {
      if (request.kind !== 'stopReplica') continue;
      const partitions = request.partitions.filter((stop) => stop.delete);
      if (partitions.length === 0) continue;
      const brokerEpoch = model.brokers.get(to)?.epoch ?? -1;
      const answer = { deleted: [], failed: [], [outcome]: partitions };
      model.send({ kind: 'replicasDeleted', brokerId: to, brokerEpoch, ...answer });
    }
  }

  test('from the wish to the end', () => {
    const model = cluster([1, 2], [3]);
    model.deletions.add('t');
    model.send({ kind: 'deletionsChanged' });
    const sent = model.takeSent();
    const announced = ofKind(sent, 'updateMetadata')[0]?.request;
    expect(announced).toMatchObject({
      partitions: [{ state: { leader: DURING_DELETE } }, { state: { leader: DURING_DELETE } }],
    });
    const stops = ofKind(sent, 'stopReplica').flatMap(({ to, request }) =>
      request.kind === 'stopReplica'
        ? request.partitions.map((stop) => [to, stop.partition, stop.delete, stop.leaderEpoch])
        : [],
    );
    expect(stops.filter(([, , deletes]) => deletes)).toEqual([
      [1, 0, true, DURING_DELETE],
      [2, 0, true, DURING_DELETE],
      [3, 1, true, DURING_DELETE],
    ]);
    expect(model.topics.has('t')).toBe(true);
    removeLogs(model, sent);
    expect(model.topics.has('t')).toBe(false);
    expect(model.deletions.size).toBe(0);
    expect(model.controller.context.topics.size).toBe(0);
  });

  test('waits for a dead broker, and goes on when it is back', () => {
    const model = cluster([1, 2]);
    lose(model, 2);
    model.takeSent();
    model.deletions.add('t');
    model.send({ kind: 'deletionsChanged' });
    removeLogs(model, model.takeSent());
    expect(model.topics.has('t')).toBe(true);
    bringBack(model, 2);
    removeLogs(model, model.takeSent());
    expect(model.topics.has('t')).toBe(false);
  });

  test('a broker dies in the middle, a new controller goes on', () => {
    const model = cluster([1, 2]);
    model.deletions.add('t');
    model.send({ kind: 'deletionsChanged' });
    model.takeSent();
    lose(model, 2);
    model.failOver();
    removeLogs(model, model.takeSent());
    expect(model.topics.has('t')).toBe(true);
    bringBack(model, 2);
    removeLogs(model, model.takeSent());
    expect(model.topics.has('t')).toBe(false);
  });

  test('a failed removal halts the topic until the broker restarts', () => {
    const model = cluster([1]);
    model.deletions.add('t');
    model.send({ kind: 'deletionsChanged' });
    removeLogs(model, model.takeSent(), 'failed');
    expect(model.topics.has('t')).toBe(true);
    bringBack(model, 1);
    removeLogs(model, model.takeSent());
    expect(model.topics.has('t')).toBe(false);
  });

  test('an answer of an earlier life of the broker does not count', () => {
    const model = cluster([1]);
    model.deletions.add('t');
    model.send({ kind: 'deletionsChanged' });
    const deleted = [{ topic: 't', partition: 0 }];
    model.send({ kind: 'replicasDeleted', brokerId: 1, brokerEpoch: 3, deleted, failed: [] });
    expect(model.topics.has('t')).toBe(true);
  });

  test('wishes for unknown topics are taken back, and all of them when deletion is off', () => {
    const model = cluster([1]);
    model.deletions.add('nothing');
    model.send({ kind: 'deletionsChanged' });
    expect(model.deletions.size).toBe(0);
    const forbidden = new Model({ deleteTopicEnable: false });
    forbidden.register(1);
    forbidden.createTopic('t', [1]);
    forbidden.deletions.add('t');
    forbidden.send({ kind: 'start' });
    expect(forbidden.deletions.size).toBe(0);
    expect(forbidden.topics.has('t')).toBe(true);
  });

  test('partitions that are added meanwhile are taken back', () => {
    const model = cluster([1]);
    model.deletions.add('t');
    model.send({ kind: 'deletionsChanged' });
    const topic = model.topics.get('t');
    if (topic === undefined) throw new Error('no topic');
    const partitions = new Map([...topic.partitions, [1, replicasOnly([2])] as const]);
    model.topics.set('t', { ...topic, partitions });
    model.send({ kind: 'topicChanged', topic: 't' });
    expect(model.topics.get('t')?.partitions.size).toBe(1);
  });
});

describe('AlterPartition', () => {
  const wish = {
    topic: null,
    topicId: 'id1'.padEnd(22, 'x'),
    partition: 0,
    leaderEpoch: 1,
    newIsr: [1, 2],
    leaderRecoveryState: 0,
    partitionEpoch: 1,
  };

  /** t-0 on 1, 2, 3, led by 1 with all in the ISR but 3; leader epoch 1, partition epoch 1. */
  function shrunk(): Model {
    const model = cluster([1, 2, 3]);
    lose(model, 3);
    bringBack(model, 3);
    model.takeSent();
    return model;
  }

  function alter(model: Model, change: Partial<typeof wish> = {}, version = 3, brokerId = 1) {
    const brokerEpoch = model.brokers.get(brokerId)?.epoch ?? -1;
    model.send({
      kind: 'alterPartition',
      token: 7,
      call: { brokerId, brokerEpoch, version, partitions: [{ ...wish, ...change }] },
    });
    const [reply] = model.replies();
    if (reply?.kind !== 'alterPartition') throw new Error('no reply');
    return reply;
  }

  test('a larger ISR is stored, answered, and told to everybody', () => {
    const model = shrunk();
    expect(alter(model, { newIsr: [1, 2, 3] })).toMatchObject({
      error: null,
      partitions: [{ error: null, isr: [1, 2, 3], leader: 1, leaderEpoch: 1, partitionEpoch: 2 }],
    });
    expect(model.state('t')).toMatchObject({ isr: [1, 2, 3], leaderEpoch: 1, partitionEpoch: 2 });
    expect(kinds(model.takeSent())).toEqual([
      'updateMetadata>1',
      'updateMetadata>2',
      'updateMetadata>3',
    ]);
  });

  test('the same again changes nothing', () => {
    const model = shrunk();
    expect(alter(model, { partitionEpoch: 0 }).partitions).toMatchObject([
      { error: null, isr: [1, 2], partitionEpoch: 1 },
    ]);
  });

  test.each([
    [{ topicId: 'zz'.padEnd(22, 'x') }, 3, 'UNKNOWN_TOPIC_ID'],
    [{ partition: 5 }, 3, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [{ partitionEpoch: 2 }, 3, 'NOT_CONTROLLER'],
    [{ leaderEpoch: 2 }, 3, 'NOT_CONTROLLER'],
    [{ leaderEpoch: 0 }, 3, 'FENCED_LEADER_EPOCH'],
    [{ partitionEpoch: 0, newIsr: [1] }, 3, 'INVALID_UPDATE_VERSION'],
    [{ leaderRecoveryState: 1, newIsr: [1] }, 3, 'INVALID_REQUEST'],
    [{ newIsr: [2, 3] }, 3, 'INVALID_REQUEST'],
    [{ newIsr: [1, 9] }, 3, 'INVALID_REQUEST'],
  ])('%j is refused', (change, version, error) => {
    const model = shrunk();
    const before = model.state('t');
    expect(alter(model, change, version).partitions).toMatchObject([{ error }]);
    expect(model.state('t')).toEqual(before);
  });

  test.each([
    [1, 'OPERATION_NOT_ATTEMPTED'],
    [2, 'INELIGIBLE_REPLICA'],
  ])('version %i: a member that is not alive', (version, error) => {
    const model = shrunk();
    const change = { newIsr: [1, 3], topic: 't', topicId: null } as never;
    lose(model, 3);
    const { partitionEpoch } = model.state('t');
    const byName = version < 2 ? change : { newIsr: [1, 3] };
    expect(alter(model, { ...byName, partitionEpoch }, version).partitions).toMatchObject([
      { error },
    ]);
  });

  test('a broker of another life is refused altogether', () => {
    const model = shrunk();
    model.send({
      kind: 'alterPartition',
      token: 7,
      call: { brokerId: 1, brokerEpoch: 5, version: 3, partitions: [wish] },
    });
    expect(model.replies()).toMatchObject([{ error: 'STALE_BROKER_EPOCH' }]);
  });

  test('a state that somebody else changed is read anew, so that the next attempt can succeed', () => {
    const model = shrunk();
    model.before = ({ kind }) => {
      if (kind === 'writeStates') model.changeIsr('t', [1]);
      model.before = null;
    };
    expect(alter(model, { newIsr: [1, 2, 3] }).partitions).toMatchObject([
      { error: 'INVALID_UPDATE_VERSION' },
    ]);
    model.effects = [];
    expect(alter(model, { newIsr: [1, 2, 3], partitionEpoch: 2 }).partitions).toMatchObject([
      { error: null, partitionEpoch: 3 },
    ]);
  });

  test('a write that happened although its answer was lost counts', () => {
    const model = shrunk();
    model.before = ({ kind }) => {
      if (kind === 'writeStates') model.changeIsr('t', [1, 2, 3]);
      model.before = null;
    };
    expect(alter(model, { newIsr: [1, 2, 3] }).partitions).toMatchObject([
      { error: null, isr: [1, 2, 3], partitionEpoch: 2 },
    ]);
  });
});

test('an ISR that a leader wrote itself is read and told to everybody', () => {
  const model = cluster([1, 2]);
  model.changeIsr('t', [1]);
  model.isrChanges = [
    { topic: 't', partition: 0 },
    { topic: 'unknown', partition: 0 },
  ];
  model.send({ kind: 'isrChanges' });
  const announced = model.takeSent();
  expect(kinds(announced)).toEqual(['updateMetadata>1', 'updateMetadata>2', 'updateMetadata>3']);
  expect(announced[0]?.request).toMatchObject({ partitions: [{ state: { isr: [1] } }] });
});

test('a failed log directory: the broker is asked for all, and what it lost moves', () => {
  const model = cluster([1, 2], [1, 3]);
  model.logDirEvents = [1];
  model.send({ kind: 'logDirEvents' });
  const [asked] = ofKind(model.takeSent(), 'leaderAndIsr');
  expect(asked?.to).toBe(1);
  expect(asked && Object.keys(rolesIn(asked))).toEqual(['t-0', 't-1']);
  const brokerEpoch = model.brokers.get(1)?.epoch ?? -1;
  model.send({
    kind: 'directoriesKnown',
    brokerId: 1,
    brokerEpoch,
    failed: [{ topic: 't', partition: 0 }],
    working: [{ topic: 't', partition: 1 }],
  });
  expect(model.state('t', 0)).toMatchObject({ leader: 2, isr: [2] });
  expect(model.state('t', 1)).toMatchObject({ leader: 1, isr: [1, 3] });
});

describe('preferred leaders', () => {
  function unbalanced(): Model {
    const model = cluster([1, 2], [1, 3]);
    lose(model, 1);
    bringBack(model, 1);
    for (const partition of [0, 1]) {
      const { isr } = model.state('t', partition);
      model.changeIsr('t', [...isr, 1], partition);
      model.isrChanges.push({ topic: 't', partition });
    }
    model.send({ kind: 'isrChanges' });
    return model;
  }

  test('go back by themselves, not before it is time', () => {
    const model = unbalanced();
    expect(model.controller.deadline()).toBe(FIRST_REBALANCE_AFTER_MS);
    model.send({ kind: 'tick' }, FIRST_REBALANCE_AFTER_MS - 1);
    expect(model.state('t').leader).toBe(2);
    model.send({ kind: 'tick' }, FIRST_REBALANCE_AFTER_MS);
    expect(model.state('t', 0)).toMatchObject({ leader: 1, isr: [2, 1] });
    expect(model.state('t', 1)).toMatchObject({ leader: 1, isr: [3, 1] });
    expect(model.controller.deadline()).toBe(FIRST_REBALANCE_AFTER_MS + 300_000);
  });

  test('go back when a tool asks', () => {
    const model = unbalanced();
    model.preferredElection = [{ topic: 't', partition: 1 }];
    model.send({ kind: 'preferredElection' });
    expect(model.state('t', 0).leader).toBe(2);
    expect(model.state('t', 1).leader).toBe(1);
  });
});

describe('the queue', () => {
  test('events wait while a procedure waits; the same signal is not queued twice', () => {
    const model = cluster([1, 2]);
    const { controller } = model;
    const effects = controller.step({ kind: 'brokersChanged' }, millis(0));
    expect(effects).toEqual([{ kind: 'command', command: { kind: 'readBrokers' } }]);
    const waiting = [
      { kind: 'topicsChanged' },
      { kind: 'topicChanged', topic: 'a' },
      { kind: 'topicsChanged' },
      { kind: 'topicChanged', topic: 'b' },
      { kind: 'topicChanged', topic: 'a' },
    ] as const;
    for (const event of waiting) expect(controller.step(event, millis(0))).toEqual([]);
    const result = model.answer({ kind: 'readBrokers' });
    const next = controller.step({ kind: 'commandDone', result }, millis(0));
    expect(next.at(-1)).toEqual({ kind: 'command', command: { kind: 'readTopicNames' } });
  });

  test('requests beyond the bound are sent away', () => {
    const model = cluster([1]);
    const { controller } = model;
    controller.step({ kind: 'brokersChanged' }, millis(0));
    const call = { brokerId: 1, brokerEpoch: 1, version: 3, partitions: [] };
    for (let token = 0; token < MAX_QUEUED_EVENTS; token += 1)
      expect(controller.step({ kind: 'alterPartition', token, call }, millis(0))).toEqual([]);
    const reply = { kind: 'alterPartition', error: 'NOT_CONTROLLER', partitions: [] };
    expect(controller.step({ kind: 'alterPartition', token: -1, call }, millis(0))).toEqual([
      { kind: 'reply', token: -1, reply },
    ]);
  });

  test('after resigning nothing is done any more', () => {
    const model = cluster([1, 2]);
    model.controller.step({ kind: 'brokersChanged' }, millis(0));
    model.controller.step({ kind: 'resign' }, millis(0));
    const result = model.answer({ kind: 'readBrokers' });
    expect(model.controller.step({ kind: 'commandDone', result }, millis(0))).toEqual([]);
    expect(model.controller.step({ kind: 'topicsChanged' }, millis(0))).toEqual([]);
    expect(model.controller.deadline()).toBeNull();
  });
});

test('a broker whose requests were dropped is told everything anew', () => {
  const model = cluster([1, 2], [2, 3]);
  model.send({ kind: 'resync', brokerId: 2 });
  const sent = model.takeSent();
  expect(kinds(sent).filter((kind) => kind.endsWith('>2'))).toEqual([
    'leaderAndIsr>2',
    'updateMetadata>2',
  ]);
  expect(sent[0] && Object.keys(rolesIn(sent[0]))).toEqual([keyOf('t', 0), keyOf('t', 1)]);
});
