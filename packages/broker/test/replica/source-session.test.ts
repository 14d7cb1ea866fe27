/**
 * Goal: whatever a follower leaves unsaid, its source fetches exactly what the follower wants, from where it
 * wants it. Method: both sides of the session, with the wire between them, through random changes of what is
 * followed, answers that get lost, and sessions that the source gives away.
 */
import { expect, test } from '@jest/globals';
import { apis } from '@odradek/protocol';
import fc from 'fast-check';
import { FetchSessions } from '../../src/replica/fetch-sessions.ts';
import { type Position, SourceSession } from '../../src/replica/source-session.ts';

const IDS = ['AAAAAAAAAAAAAAAAAAAAAg', 'AAAAAAAAAAAAAAAAAAAABA', 'AAAAAAAAAAAAAAAAAAAACA'];
const MAX_BYTES = 1_000;

/** Something that happens before a round. */
type Change = Readonly<
  | { kind: 'follow' | 'unfollow' | 'made-anew' | 'new-id' | 'new-epoch'; at: number }
  | { kind: 'advance'; at: number; by: number }
  | { kind: 'answer-lost' | 'evicted' | 'ids-unknown' | 'nothing' }
>;

const at = fc.nat(5);
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('follow', 'follow', 'unfollow', 'made-anew', 'new-id', 'new-epoch'),
    at,
  }),
  fc.record({ kind: fc.constant('advance' as const), at, by: fc.nat(3) }),
  fc.record({ kind: fc.constantFrom('answer-lost', 'evicted', 'ids-unknown', 'nothing') }),
);

function follow(changes: readonly Change[]): void {
  let nextId = 0;
  const source = new FetchSessions({
    slots: 1,
    tellsHighWatermarks: false,
    randomBelow: () => nextId++,
    topicNameById: (id) => `by id ${id}`,
  });
  const session = new SourceSession(MAX_BYTES);
  const followed = new Map<number, Position>();
  let withIds = true;
  const { request: api } = apis.fetch;

  for (const each of changes) {
    if ('at' in each) {
      const known = followed.get(each.at);
      const topic = each.at % 2;
      const fresh: Position = {
        replica: {},
        topic: `t${topic}`,
        topicId: IDS[topic] ?? null,
        partition: each.at,
        fetchOffset: 0,
        leaderEpoch: 1,
        lastFetchedEpoch: -1,
        logStartOffset: 0,
      };
      if (each.kind === 'unfollow') followed.delete(each.at);
      else if (known === undefined || each.kind === 'made-anew') followed.set(each.at, fresh);
      else if (each.kind === 'new-id') followed.set(each.at, { ...fresh, topicId: IDS[2] ?? null });
      else if (each.kind === 'new-epoch')
        followed.set(each.at, { ...known, leaderEpoch: known.leaderEpoch + 1 });
      else if (each.kind === 'advance')
        followed.set(each.at, { ...known, fetchOffset: known.fetchOffset + each.by });
    }
    if (each.kind === 'ids-unknown') withIds = !withIds;
    if (each.kind === 'evicted') {
      const intruder = {
        ...{ maxWaitMs: 0, minBytes: 1, sessionId: 0, sessionEpoch: 0, replicaId: 7 },
        topics: [
          {
            topic: 'x',
            partitions: [...Array(99).keys()].map((partition) => ({
              partition,
              fetchOffset: 0,
              partitionMaxBytes: 1,
            })),
          },
        ],
      };
      const plan = source.plan(api.decode(api.encode(intruder, 12), 12), 12, 1_000_000 * nextId);
      if (typeof plan !== 'string') plan.conclude([]);
    }
    const positions = [...followed.values()];
    if (positions.length === 0) continue;
    const version = withIds ? 17 : 12;
    const body = {
      ...{ maxWaitMs: 0, minBytes: 1 },
      ...(withIds ? { replicaState: { replicaId: 2, replicaEpoch: 1 } } : { replicaId: 2 }),
    };
    // Without a session, with the one it had, and anew: one of two rounds must get through.
    for (let round = 0; ; round += 1) {
      const input = { ...body, ...session.next(positions, withIds) };
      const plan = source.plan(api.decode(api.encode(input, version), version), version, 1);
      if (typeof plan === 'string') {
        if (round > 0) throw new Error(`refused again: ${plan}`);
        session.reset();
        continue;
      }
      const asked = plan.targets.map((target) =>
        [
          withIds ? target.topicId : target.topic,
          target.partition,
          target.fetchOffset,
          target.currentLeaderEpoch,
          target.maxBytes,
        ].join(' '),
      );
      const wanted = positions.map((position) =>
        [
          withIds ? position.topicId : position.topic,
          position.partition,
          position.fetchOffset,
          position.leaderEpoch,
          MAX_BYTES,
        ].join(' '),
      );
      expect(asked.sort()).toEqual(wanted.sort());
      const { sessionId } = plan.conclude([]);
      if (each.kind === 'answer-lost') session.reset();
      else session.answered(sessionId);
      break;
    }
  }
}

test('the source fetches what is followed, and nothing else', () => {
  fc.assert(fc.property(fc.array(change, { minLength: 20, maxLength: 60 }), follow), {
    numRuns: 300,
  });
});

test('what did not change is not said again', () => {
  const session = new SourceSession(MAX_BYTES);
  const position = (partition: number, fetchOffset: number): Position => ({
    replica: replicas[partition] ?? {},
    ...{ topic: 't', topicId: IDS[0] ?? null, partition, fetchOffset },
    ...{ leaderEpoch: 1, lastFetchedEpoch: 1, logStartOffset: 0 },
  });
  const replicas = [{}, {}, {}];
  const said = ({ topics, forgottenTopicsData = [] }: ReturnType<SourceSession['next']>) => [
    topics.flatMap(({ partitions }) => partitions.map(({ partition }) => partition)),
    forgottenTopicsData.flatMap(({ partitions }) => partitions),
  ];
  const first = session.next(
    [0, 1, 2].map((each) => position(each, 0)),
    true,
  );
  expect([first.sessionId, first.sessionEpoch, ...said(first)]).toEqual([0, 0, [0, 1, 2], []]);
  session.answered(9);
  const second = session.next([position(0, 0), position(1, 5), position(2, 0)], true);
  expect([second.sessionId, second.sessionEpoch, ...said(second)]).toEqual([9, 1, [1], []]);
  session.answered(9);
  const third = session.next([position(0, 0), position(1, 5)], true);
  expect([third.sessionEpoch, ...said(third)]).toEqual([2, [], [2]]);
  session.answered(0); // The source would rather hear everything.
  const fourth = session.next([position(0, 0)], true);
  expect([fourth.sessionId, fourth.sessionEpoch, ...said(fourth)]).toEqual([0, 0, [0], []]);
});
