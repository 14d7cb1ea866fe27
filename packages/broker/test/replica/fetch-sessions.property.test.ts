/**
 * Goal: the session cache does what KIP-227 says, whatever is asked in whatever order, and stays within
 * its bounds. Method: random conversations of several clients with a small cache, held against a model
 * that keeps plain lists, sorts them when it has to choose, and says each rule once.
 */
import { expect, test } from '@jest/globals';
import { apis, type FetchRequest } from '@odradek/protocol';
import fc from 'fast-check';
import type { PartitionRead } from '../../src/replica/fetch-read.ts';
import { epochAfter, FetchSessions } from '../../src/replica/fetch-sessions.ts';

const SLOTS = 2;
const PARTITIONS_MAX = 11;
const OLD_MS = 120_000;
const LAST_EPOCH = 2_147_483_647;
const IDS = ['AAAAAAAAAAAAAAAAAAAAAg', 'AAAAAAAAAAAAAAAAAAAABA'];

/** One request, and what is found for it. Partitions are numbers; even ones belong to the first topic. */
interface Step {
  readonly passMs: number;
  readonly kind: 'create' | 'sessionless' | 'next' | 'wrong-epoch' | 'other-version' | 'unknown';
  readonly privileged: boolean;
  readonly withIds: boolean;
  /** Which of the sessions that are known of, counted from the newest. */
  readonly pick: number;
  readonly named: readonly number[];
  readonly forgotten: readonly number[];
  readonly offset: number;
  /** What there is, by the place among the targets. */
  readonly finds: readonly {
    bytes: number;
    highWatermark: number;
    errorCode: number;
    diverges: boolean;
  }[];
}

const step: fc.Arbitrary<Step> = fc.record({
  passMs: fc.constantFrom(0, 1, 1_000, 50_000, 70_000, 70_000, 119_999, 130_000),
  kind: fc.constantFrom(
    ...(['create', 'create', 'next', 'next', 'next', 'next', 'sessionless'] as const),
    ...(['wrong-epoch', 'other-version', 'unknown'] as const),
  ),
  privileged: fc.boolean(),
  withIds: fc.boolean(),
  pick: fc.constantFrom(0, 0, 1, 1, 2),
  named: fc.uniqueArray(fc.nat(7), { maxLength: 5 }),
  forgotten: fc.uniqueArray(fc.nat(7), { maxLength: 2 }),
  offset: fc.nat(100),
  finds: fc.array(
    fc.record({
      bytes: fc.constantFrom(0, 0, 10),
      highWatermark: fc.nat(2),
      errorCode: fc.constantFrom(0, 0, 0, 3),
      diverges: fc.constantFrom(false, false, false, true),
    }),
    { minLength: 8, maxLength: 8 },
  ),
});

interface ModelPartition {
  readonly key: string;
  offset: number;
  told: number;
}
interface ModelSession {
  id: number;
  privileged: boolean;
  withIds: boolean;
  created: number;
  used: number;
  epoch: number;
  counted: number;
  partitions: ModelPartition[];
}

const topicOf = (partition: number): number => partition % 2;
const keyOf = (partition: number): string => `${topicOf(partition)}/${partition}`;

/** The rules, one after the other, on plain lists. */
class Model {
  sessions: ModelSession[] = [];
  evictions = 0;

  get counted(): number {
    return this.sessions.reduce((sum, { counted }) => sum + counted, 0);
  }

  drop(session: ModelSession | undefined): void {
    this.sessions = this.sessions.filter((each) => each !== session);
  }

  /** May a newcomer come in? Makes room for it if need be. */
  admits(privileged: boolean, count: number, now: number): boolean {
    if (count === 0 || this.counted + count > PARTITIONS_MAX) return false;
    if (this.sessions.length < SLOTS) return true;
    const idle = this.sessions.reduce((one, other) => (other.used < one.used ? other : one));
    let victim: ModelSession | undefined = idle;
    if (now - idle.used <= OLD_MS) {
      victim = this.sessions
        .filter((each) => each.used - each.created > OLD_MS || (privileged && !each.privileged))
        .sort(
          (one, other) =>
            Number(one.privileged) - Number(other.privileged) ||
            one.partitions.length - other.partitions.length ||
            one.id - other.id,
        )[0];
      if (victim === undefined) return false;
      const rank = [
        Number(privileged) - Number(victim.privileged),
        count - victim.partitions.length,
      ];
      if (rank[0] === 0 ? (rank[1] ?? 0) <= 0 : (rank[0] ?? 0) < 0) return false;
    }
    this.drop(victim);
    this.evictions += 1;
    return true;
  }
}

function requestOf(
  step: Step,
  withIds: boolean,
  sessionId: number,
  sessionEpoch: number,
): {
  request: FetchRequest;
  version: number;
} {
  const version = withIds ? 17 : 12;
  const nameOf = (topic: number) =>
    withIds ? { topicId: IDS[topic] as string } : { topic: `t${topic}` };
  const grouped = (partitions: readonly number[]) =>
    [0, 1].map((topic) => ({
      ...nameOf(topic),
      all: partitions.filter((partition) => topicOf(partition) === topic),
    }));
  const body = {
    ...(step.privileged
      ? withIds
        ? { replicaState: { replicaId: 2, replicaEpoch: 1 } }
        : { replicaId: 2 }
      : {}),
    maxWaitMs: 0,
    minBytes: 1,
    sessionId,
    sessionEpoch,
    topics: grouped(step.named).map(({ all, ...topic }) => ({
      ...topic,
      partitions: all.map((partition) => ({
        partition,
        fetchOffset: step.offset,
        partitionMaxBytes: 1,
      })),
    })),
    forgottenTopicsData: grouped(step.forgotten).map(({ all, ...topic }) => ({
      ...topic,
      partitions: all,
    })),
  };
  const { request } = apis.fetch;
  return { request: request.decode(request.encode(body, version), version), version };
}

/** What is named, in the order of the request: topic by topic. */
const namedIn = ({ named }: Step): number[] =>
  [0, 1].flatMap((topic) => named.filter((partition) => topicOf(partition) === topic));

function converse(steps: readonly Step[]): void {
  let nextId = 0;
  const cache = new FetchSessions({
    slots: SLOTS,
    partitionsMax: PARTITIONS_MAX,
    tellsHighWatermarks: false,
    randomBelow: () => nextId++,
    topicNameById: (id) => `t${IDS.indexOf(id)}`,
  });
  const model = new Model();
  /** Clients remember sessions that the cache may have forgotten. */
  const remembered: ModelSession[] = [];
  let now = 1_000;

  for (const each of steps) {
    now += each.passMs;
    const session = remembered.at(-1 - each.pick);
    const isNew = each.kind === 'create' || each.kind === 'sessionless' || session === undefined;
    const withIds = isNew
      ? each.withIds
      : each.kind === 'other-version'
        ? !session.withIds
        : session.withIds;
    const id = isNew ? 0 : each.kind === 'unknown' ? session.id + 1_000_000 : session.id;
    const epoch = isNew
      ? each.kind === 'sessionless'
        ? -1
        : 0
      : each.kind === 'wrong-epoch'
        ? (session.epoch % 1_000) + 1
        : session.epoch;
    const { request, version } = requestOf(each, withIds, id, epoch);
    const plan = cache.plan(request, version, now);

    const kept = isNew ? undefined : model.sessions.find((one) => one.id === id);
    const expectedError = isNew
      ? null
      : kept === undefined
        ? 'FETCH_SESSION_ID_NOT_FOUND'
        : kept.epoch !== epoch
          ? 'INVALID_FETCH_SESSION_EPOCH'
          : kept.withIds !== withIds
            ? 'FETCH_SESSION_TOPIC_ID_ERROR'
            : null;
    if (typeof plan === 'string' || expectedError !== null) {
      same('error', typeof plan === 'string' ? plan : null, expectedError);
      continue;
    }

    const targets: ModelPartition[] = kept?.partitions ?? [];
    for (const partition of namedIn(each)) {
      const known = targets.find(({ key }) => key === keyOf(partition));
      if (known === undefined)
        targets.push({ key: keyOf(partition), offset: each.offset, told: NaN });
      else known.offset = each.offset;
    }
    if (kept !== undefined) {
      const gone = each.forgotten.map(keyOf);
      kept.partitions = targets.filter(({ key }) => !gone.includes(key));
      kept.epoch += 1;
      kept.used = now;
      kept.counted = 0;
      model.drop(kept);
      const fits = model.counted + kept.partitions.length <= PARTITIONS_MAX;
      if (kept.partitions.length > 0 && fits) {
        kept.counted = kept.partitions.length;
        model.sessions.push(kept);
      } else if (kept.partitions.length > 0) model.evictions += 1;
    }
    const asked = [...(kept?.partitions ?? targets)];
    same(
      'targets',
      plan.targets.map(({ topic, partition, fetchOffset }) => [topic, partition, fetchOffset]),
      asked.map(({ key, offset }) => {
        const [topic, partition] = key.split('/');
        return [`t${topic}`, Number(partition), offset];
      }),
    );

    const reads = plan.targets.map((target, index): PartitionRead => {
      const find = each.finds[index];
      const { bytes = 0, highWatermark = 0, errorCode = 0, diverges = false } = find ?? {};
      return {
        target,
        source: null,
        sizeBytes: errorCode === 0 && !diverges ? bytes : 0,
        urgent: errorCode !== 0 || diverges,
        lent: [],
        answer: {
          partitionIndex: target.partition,
          errorCode,
          highWatermark,
          logStartOffset: 0,
          records: [],
          ...(diverges ? { divergingEpoch: { epoch: 1, endOffset: 1 } } : {}),
        },
      };
    });
    const { sessionId, reads: mentioned } = plan.conclude(reads);

    let owner = kept;
    if (kept === undefined && each.kind !== 'sessionless') {
      const admitted = model.admits(each.privileged, asked.length, now);
      same('admitted', sessionId !== 0, admitted);
      if (admitted) {
        owner = {
          id: sessionId,
          privileged: each.privileged,
          withIds,
          created: now,
          used: now,
          epoch: 1,
          counted: asked.length,
          partitions: asked,
        };
        model.sessions.push(owner);
        remembered.push(owner);
      }
    } else same('id', sessionId, kept === undefined || asked.length === 0 ? 0 : kept.id);
    const expected: string[] = [];
    for (const [index, partition] of asked.entries()) {
      const read = reads[index];
      if (read === undefined) throw new Error('a read for each');
      const { sizeBytes, urgent, answer } = read;
      const isNews = sizeBytes > 0 || urgent || answer.highWatermark !== partition.told;
      if (kept === undefined || isNews) expected.push(partition.key);
      partition.told = urgent ? NaN : answer.highWatermark;
      if (sizeBytes > 0 && owner !== undefined)
        owner.partitions = [...owner.partitions.filter((one) => one !== partition), partition];
    }
    same(
      'mentioned',
      mentioned.map(({ target }) => keyOf(target.partition)),
      expected,
    );
    same('size', cache.size, model.sessions.length);
    same('partitions', cache.partitionCount, model.counted);
    same('evictions', cache.evictionCount, model.evictions);
    if (cache.size > SLOTS || cache.partitionCount > PARTITIONS_MAX) throw new Error('too many');
  }
}

/** As `expect`, which costs too much here. */
function same(what: string, actual: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${what}: ${one}, not ${other}`);
}

test('sessions are kept, told and evicted as the model has it', () => {
  fc.assert(fc.property(fc.array(step, { minLength: 40, maxLength: 60 }), converse), {
    numRuns: 400,
  });
});

test.each([
  [0, 1],
  [1, 2],
  [LAST_EPOCH - 1, LAST_EPOCH],
  [LAST_EPOCH, 1],
])('after epoch %i comes %i', (epoch, next) => {
  expect(epochAfter(epoch)).toBe(next);
});
