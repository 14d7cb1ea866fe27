/** Snapshot files, byte for byte as Kafka lays them out, and what becomes of damaged ones. */
import { expect, test } from '@jest/globals';
import { crc32c } from '@odradek/protocol';
import fc from 'fast-check';
import type { ProducerEntry } from '../../../src/core/producer-state/producer-entry.ts';
import { decodeSnapshot, encodeSnapshot } from '../../../src/core/producer-state/snapshot.ts';

const entry: ProducerEntry = {
  producerId: 1001n,
  epoch: 3,
  coordinatorEpoch: 12,
  lastTimestamp: 1_700_000_000_000,
  transactionFirstOffset: 40,
  batches: [
    { firstSequence: 1, lastSequence: 2, firstOffset: 8, lastOffset: 9, timestamp: 5 },
    {
      firstSequence: 3,
      lastSequence: 7,
      firstOffset: 38,
      lastOffset: 42,
      timestamp: 1_700_000_000_000,
    },
  ],
};

/** Version, CRC, count; id, epoch, last sequence, last offset, delta, time, coordinator epoch, transaction. */
const body = [
  '00000001',
  '00000000000003e9 0003 00000007 000000000000002a 00000004 0000018bcfe56800 0000000c 0000000000000028',
].join('');

test('the bytes of one producer', () => {
  const covered = Buffer.from(body.replaceAll(' ', ''), 'hex');
  const head = Buffer.alloc(6);
  head.writeInt16BE(1, 0);
  head.writeUInt32BE(crc32c(covered), 2);
  const expected = Buffer.concat([head, covered]);
  expect(encodeSnapshot([entry], 1)).toEqual(expected);
  expect(decodeSnapshot(expected)).toEqual([{ ...entry, batches: entry.batches.slice(1) }]);
});

test('a producer without batches and transaction keeps its epoch', () => {
  const bare = { ...entry, batches: [], transactionFirstOffset: -1, coordinatorEpoch: -1 };
  expect(decodeSnapshot(encodeSnapshot([bare], 1))).toEqual([bare]);
});

test('a last batch across the wrap of sequences comes back', () => {
  const last = {
    firstSequence: 0x7fff_fffe,
    lastSequence: 1,
    firstOffset: 10,
    lastOffset: 13,
    timestamp: 9,
  };
  const wrapped = { ...entry, lastTimestamp: 9, batches: [last] };
  expect(decodeSnapshot(encodeSnapshot([wrapped], 1))).toEqual([wrapped]);
});

test('every flipped bit and every cut is noticed', () => {
  const bytes = encodeSnapshot([entry], 1);
  for (let size = 0; size < bytes.length; size++) {
    expect(decodeSnapshot(bytes.subarray(0, size))).toBeNull();
  }
  fc.assert(
    fc.property(fc.integer({ min: 0, max: bytes.length * 8 - 1 }), (bit) => {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeSnapshot(damaged)).toBeNull();
    }),
  );
});
