/**
 * Messages between servers: both ways for every kind, readable by any msgpack decoder, and refused
 * when they are cut, changed or not of ours.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { unpack } from 'msgpackr';
import {
  decodeLearnerMessage,
  decodeLinkMessage,
  decodeNotification,
  encodeLearnerMessage,
  encodeLinkMessage,
  encodeNotification,
} from '../../src/peers/codec.ts';
import { MalformedPeerData } from '../../src/peers/errors.ts';
import { FRAME_HEADER_BYTES, FrameReader } from '../../src/peers/frame.ts';
import { decodeLeaderMessage, encodeLeaderMessage } from '../../src/peers/leader-codec.ts';
import type { LeaderMessage, LearnerMessage, Notification } from '../../src/peers/types.ts';

const zxid = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const count = fc.nat(Number.MAX_SAFE_INTEGER);
const bytes = fc.uint8Array({ maxLength: 400 }).map((value) => Buffer.from(value));
const text = fc.string({ unit: 'binary', maxLength: 100 });
const flag = fc.boolean();

const entry = fc.record({
  zxid,
  record: bytes,
  origin: fc.option(fc.record({ serverId: count, requestId: count }), { nil: null }),
  ensembleText: fc.option(text, { nil: null }),
});

const learnerMessage: fc.Arbitrary<LearnerMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('hello' as const),
    isObserver: flag,
    clusterId: fc.option(text, { nil: null }),
    acceptedEpoch: count,
    currentEpoch: count,
    lastZxid: zxid,
    isNew: flag,
    needsSnapshot: flag,
    ensembleVersion: zxid,
  }),
  fc.record({
    kind: fc.constant('epochAccepted' as const),
    epoch: count,
    currentEpoch: fc.option(count, { nil: null }),
    lastZxid: zxid,
  }),
  fc.record({ kind: fc.constant('synchronised' as const), epoch: count }),
  fc.record({ kind: fc.constant('ack' as const), zxid }),
  fc.record({ kind: fc.constant('pong' as const), ping: count }),
  fc.record({ kind: fc.constant('confirm' as const), id: count }),
  fc.record({ kind: fc.constant('tell' as const), bytes }),
);

const leaderMessage: fc.Arbitrary<LeaderMessage> = fc.oneof(
  fc.record({ kind: fc.constant('refused' as const), reason: text }),
  fc.record({
    kind: fc.constant('newEpoch' as const),
    epoch: count,
    clusterId: text,
    fence: count,
    ensembleText: text,
  }),
  fc.record({ kind: fc.constantFrom('diff' as const, 'snapshotEnd' as const) }),
  fc.record({
    kind: fc.constantFrom('truncate' as const, 'snapshot' as const, 'commit' as const),
    zxid,
  }),
  fc.record({ kind: fc.constant('snapshotPart' as const), entries: fc.array(bytes) }),
  fc.record({
    kind: fc.constant('proposals' as const),
    entries: fc.array(entry),
    committedZxid: zxid,
  }),
  fc.record({ kind: fc.constant('newLeader' as const), epoch: count, ensembleText: text }),
  fc.record({ kind: fc.constant('upToDate' as const), committedZxid: zxid }),
  fc.record({ kind: fc.constant('ping' as const), ping: count }),
  fc.record({ kind: fc.constant('confirmed' as const), id: count }),
  fc.record({
    kind: fc.constant('activate' as const),
    ensembleText: text,
    designatedLeaderId: count,
  }),
  fc.record({ kind: fc.constant('tell' as const), bytes }),
);

const notification: fc.Arbitrary<Notification> = fc.record({
  state: fc.constantFrom('looking', 'leading', 'following', 'observing'),
  round: count,
  vote: fc.record({ leaderId: count, epoch: count, zxid }),
  isNew: flag,
  ensembleVersion: zxid,
});

const payloadOf = (frame: Buffer): Buffer => frame.subarray(FRAME_HEADER_BYTES);

function payloadsOf(frames: readonly Buffer[]): Buffer[] {
  const payloads: Buffer[] = [];
  const reader = new FrameReader(1 << 28, (payload) => payloads.push(Buffer.from(payload)));
  for (const frame of frames) reader.push(frame);
  return payloads;
}

test('every message of a learner, both ways', () => {
  fc.assert(
    fc.property(learnerMessage, (message) => {
      const [payload] = payloadsOf([encodeLearnerMessage(message)]);
      expect(decodeLearnerMessage(payload ?? Buffer.alloc(0))).toEqual(message);
    }),
    { numRuns: 500 },
  );
});

test('every message of a leader, both ways', () => {
  fc.assert(
    fc.property(leaderMessage, (message) => {
      const payloads = payloadsOf(encodeLeaderMessage(message));
      expect(payloads.map(decodeLeaderMessage)).toEqual([message]);
    }),
    { numRuns: 500 },
  );
});

test('every note, both ways', () => {
  fc.assert(
    fc.property(notification, (note) => {
      expect(decodeNotification(payloadOf(encodeNotification(note)))).toEqual(note);
    }),
  );
});

test.each([
  ['bye', { kind: 'bye', reason: 'it is late' }],
  ['probe', { kind: 'probe' }],
  ['probed', { kind: 'probed' }],
] as const)('what a link says about itself: %s', (_, message) => {
  expect(decodeLinkMessage(payloadOf(encodeLinkMessage(message)))).toEqual(message);
});

test('golden bytes, which any msgpack decoder reads', () => {
  const [frame = Buffer.alloc(0)] = encodeLeaderMessage({
    kind: 'proposals',
    committedZxid: 0x1_0000_0001n,
    entries: [
      {
        zxid: 0x1_0000_0002n,
        record: Buffer.from('abc'),
        origin: { serverId: 2, requestId: 7 },
        ensembleText: null,
      },
    ],
  });
  expect(frame.toString('hex')).toBe(
    [
      frame.toString('hex', 0, 4), // checksum, held by frame.test.ts
      '00000035', // payload size
      '93 27 d30000000100000001 dd00000001',
      '95 d30000000100000002 c600000003616263 cb4000000000000000 cb401c000000000000 c0',
    ]
      .join('')
      .replaceAll(' ', ''),
  );
  expect(unpack(payloadOf(frame))).toEqual([
    39,
    0x1_0000_0001n,
    [[0x1_0000_0002n, Buffer.from('abc'), 2, 7, null]],
  ]);
});

test('proposals that are long together go in several frames, none committed before it is there', () => {
  const entries = Array.from({ length: 40 }, (_, index) => ({
    zxid: BigInt(index + 1),
    record: Buffer.alloc(100_000, index),
    origin: null,
    ensembleText: null,
  }));
  const messages = payloadsOf(
    encodeLeaderMessage({ kind: 'proposals', entries, committedZxid: 35n }),
  ).map(decodeLeaderMessage);
  expect(messages.length).toBeGreaterThan(3);
  const received: bigint[] = [];
  for (const message of messages) {
    if (message.kind !== 'proposals') throw new Error('not proposals');
    received.push(...message.entries.map(({ zxid: each }) => each));
    expect(message.committedZxid).toBeLessThanOrEqual(received.at(-1) ?? 0n);
  }
  expect(messages.at(-1)).toMatchObject({ committedZxid: 35n });
  expect(received).toEqual(entries.map(({ zxid: each }) => each));
});

const decoders = [decodeLearnerMessage, decodeLeaderMessage, decodeNotification, decodeLinkMessage];

/** Either it decodes, or it is said to be malformed. */
function decodeAll(payload: Buffer): void {
  for (const decode of decoders) {
    try {
      decode(payload);
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedPeerData);
    }
  }
}

test('every truncation of every message is refused', () => {
  fc.assert(
    fc.property(fc.oneof(leaderMessage, learnerMessage), (message) => {
      const isLeader = 'entries' in message || message.kind === 'newEpoch';
      const [frame = Buffer.alloc(0)] = isLeader
        ? encodeLeaderMessage(message as LeaderMessage)
        : [Buffer.alloc(FRAME_HEADER_BYTES)];
      const payload = payloadOf(frame);
      for (let size = 0; size < payload.length; size++) {
        expect(() => decodeLeaderMessage(payload.subarray(0, size))).toThrow(MalformedPeerData);
      }
      const longer = Buffer.concat([payload, Buffer.alloc(1)]);
      expect(() => decodeLeaderMessage(longer)).toThrow(MalformedPeerData);
    }),
    { numRuns: 60 },
  );
});

test('changed and random bytes neither crash nor hang', () => {
  fc.assert(
    fc.property(leaderMessage, fc.nat(), fc.nat(255), (message, at, value) => {
      const [frame = Buffer.alloc(0)] = encodeLeaderMessage(message);
      const payload = Buffer.from(payloadOf(frame));
      payload[at % payload.length] = value;
      decodeAll(payload);
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (random) => decodeAll(Buffer.from(random))),
    { numRuns: 2_000 },
  );
});

test('a count that cannot be is refused before anything is made of it', () => {
  const payload = Buffer.from('93 27 d30000000000000000 ddffffffff'.replaceAll(' ', ''), 'hex');
  expect(() => decodeLeaderMessage(payload)).toThrow(/4294967295 elements/);
});
