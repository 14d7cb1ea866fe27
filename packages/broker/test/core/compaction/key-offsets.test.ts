/**
 * The memory of a compaction against a Map, full and crowded, and its hash by the check that comes with it
 * (SMHasher: the hash of the hashes of 256 keys).
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hashKey, hashWords } from '../../../src/core/compaction/key-hash.ts';
import { KeyOffsets } from '../../../src/core/compaction/key-offsets.ts';

function hashOf(key: Uint8Array, seed: number): Buffer {
  hashKey(key, 0, key.length, seed);
  const bytes = Buffer.alloc(16);
  for (const [index, word] of hashWords.entries()) bytes.writeInt32LE(word, index * 4);
  return bytes;
}

test('the hash is MurmurHash3 for x86 with 128 bits', () => {
  const hashes = Array.from({ length: 256 }, (_, length) =>
    hashOf(Buffer.from(Array.from({ length }, (__, index) => index)), 256 - length),
  );
  expect(hashOf(Buffer.concat(hashes), 0).readUInt32LE(0)).toBe(0xb3ece62a);
});

const keys = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 200 });

test('it knows the last offset of each key, in whatever memory', () => {
  fc.assert(
    fc.property(keys, fc.integer({ min: 1, max: 300 }), fc.nat(), (seen, slots, seed) => {
      const table = KeyOffsets.sized(slots * 24, 0.9, seen.length, seed);
      const model = new Map<string, number>();
      for (const [offset, key] of seen.entries()) {
        if (table.full) break;
        const padded = Buffer.concat([Buffer.from('..'), key, Buffer.from('..')]);
        table.put(padded, 2, key.length, offset);
        model.set(Buffer.from(key).toString('hex'), offset);
      }
      expect(table.count).toBe(model.size);
      // As it would be in another thread.
      const moved = new KeyOffsets(structuredClone(table.table()));
      expect(moved.latestOffset).toBe(Math.max(...model.values()));
      for (const key of seen) {
        const known = model.get(Buffer.from(key).toString('hex')) ?? -1;
        expect(moved.get(key, 0, key.length)).toBe(known);
      }
    }),
  );
});

test('it takes no more memory than the keys that can come, and no more than it may', () => {
  const bytesOf = (memoryBytes: number, keysMax: number): number =>
    KeyOffsets.sized(memoryBytes, 0.9, keysMax, 0).table().memory.byteLength;
  expect(bytesOf(1 << 27, 90)).toBe(101 * 24);
  expect(bytesOf(2400, 1_000_000)).toBe(2400);
  expect(bytesOf(0, 10)).toBe(48);
  const small = KeyOffsets.sized(24 * 10, 0.5, 100, 0);
  expect(small.countMax).toBe(5);
});
