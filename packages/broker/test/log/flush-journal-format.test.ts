/**
 * Goal: a flush journal is read as it was written, whatever is cut off or turned over; nothing that
 * was not written is ever read.
 * Method: golden bytes; every truncation; every bit; groups by chance, some written over others.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type FrameHead,
  findGroups,
  GROUP_HEADER_BYTES,
  GroupWriter,
  SECTOR_BYTES,
} from '../../src/log/flush/journal-format.ts';

const ID = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

function head(changes: Partial<FrameHead> = {}): FrameHead {
  return {
    kind: 'append',
    topic: 'orders',
    partition: 3,
    incarnation: 2,
    previousEnd: 41,
    endOffset: 44,
    leaderEpoch: 7,
    ...changes,
  };
}

function groupOf(
  frames: readonly { readonly head: FrameHead; readonly batches: readonly Buffer[] }[],
  number = 5,
  oldestLive = 4,
): Buffer {
  const writer = new GroupWriter();
  for (const frame of frames) writer.add(frame.head, frame.batches);
  return Buffer.from(writer.seal({ journalId: ID, number, oldestLive }));
}

describe('the format', () => {
  const group = groupOf([
    { head: head(), batches: [Buffer.from('abc'), Buffer.from('de')] },
    { head: head({ kind: 'cut', topic: 't', partition: 0, leaderEpoch: -1 }), batches: [] },
  ]);

  test('golden bytes', () => {
    const hex = (from: number, to: number): string => group.toString('hex', from, to);
    expect(group.length).toBe(SECTOR_BYTES);
    expect(hex(0, 4)).toBe('4f464a01');
    expect(hex(8, 24)).toBe(ID.toString('hex'));
    // Number, oldest live number, size of the frames, count.
    expect(hex(24, 48)).toBe('00000000000000050000000000000004' + '00000060' + '00000002');
    const first = GROUP_HEADER_BYTES;
    expect(hex(first + 4, first + 53)).toBe(
      '00000035' + // size
        '01' + // append
        '06' + // size of the topic
        '00000003' + // partition
        '00000007' + // leader epoch
        '0000000000000002' + // incarnation
        '0000000000000029' + // previous end
        '000000000000002c' + // end
        '6f7264657273' + // topic
        '6162636465',
    );
    const second = first + 53;
    expect(hex(second + 4, second + 18)).toBe('0000002b' + '02' + '01' + '00000000' + 'ffffffff');
    // The checksums.
    expect([hex(4, 8), hex(first, first + 4), hex(second, second + 4)]).toMatchInlineSnapshot(`
[
  "d7b718fa",
  "ac15a620",
  "b727c0f8",
]
`);
  });

  test('what was written is found', () => {
    const [found, ...others] = findGroups(group);
    expect(others).toEqual([]);
    expect(found).toMatchObject({ number: 5, oldestLive: 4, isWhole: true, sizeBytes: 512 });
    expect(found?.journalId.equals(ID)).toBe(true);
    expect(found?.frames).toEqual([
      { ...head(), batchesAt: 48 + 42 + 6, batchesBytes: 5 },
      {
        ...head({ kind: 'cut', topic: 't', partition: 0, leaderEpoch: -1 }),
        batchesAt: 48 + 53 + 43,
        batchesBytes: 0,
      },
    ]);
  });

  test('of a group that is cut off, whole frames are found and no others', () => {
    for (let size = 0; size < 48 + 96; size++) {
      const found = findGroups(group.subarray(0, size));
      const frames = size < 48 + 53 ? 0 : 1;
      if (size < 48) expect(found).toEqual([]);
      else expect(found[0]).toMatchObject({ isWhole: false });
      expect(found[0]?.frames.length ?? 0).toBe(size < 48 ? 0 : frames);
    }
  });

  test('a bit that is turned over costs its frame, and those behind it', () => {
    for (let bit = 0; bit < (48 + 96) * 8; bit++) {
      const at = bit >> 3;
      const bytes = Buffer.from(group);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      const [found] = findGroups(bytes);
      if (at < 48) expect(found).toBeUndefined();
      else {
        expect(found?.isWhole).toBe(false);
        expect(found?.frames.length).toBe(at < 48 + 53 ? 0 : 1);
      }
    }
  });

  test('numbers beyond 32 bits', () => {
    const large = head({ incarnation: 2 ** 40 + 3, previousEnd: 2 ** 52, endOffset: 2 ** 52 + 1 });
    const [found] = findGroups(groupOf([{ head: large, batches: [] }], 2 ** 45 + 7, 2 ** 45));
    expect(found).toMatchObject({ number: 2 ** 45 + 7, oldestLive: 2 ** 45 });
    expect(found?.frames[0]).toMatchObject(large);
  });
});

test('groups written over older ones: each that is whole is found, at its place', () => {
  const sizes = fc.array(fc.array(fc.nat(900), { maxLength: 4 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(sizes, sizes, (older, newer) => {
      const file = Buffer.alloc(64 * 1024);
      const places = new Map<number, { at: number; end: number; sizes: readonly number[] }>();
      let number = 0;
      for (const groups of [older, newer]) {
        let at = 0;
        for (const group of groups) {
          number += 1;
          const frames = group.map((size) => ({
            head: head({ partition: size }),
            // Bytes that look like the beginning of a group must not be taken for one.
            batches: [Buffer.alloc(size, groupOf([]).subarray(0, 40))],
          }));
          const bytes = groupOf(frames, number, 1);
          if (at + bytes.length > file.length) break;
          const end = at + bytes.length;
          for (const [other, place] of places) {
            if (place.at < end && place.end > at) places.delete(other);
          }
          places.set(number, { at, end, sizes: group });
          bytes.copy(file, at);
          at = end;
        }
      }
      const whole = findGroups(file).filter(({ isWhole }) => isWhole);
      expect(
        whole.map((found) => [found.number, found.position, found.frames.map((f) => f.partition)]),
      ).toEqual(
        [...places]
          .sort(([, one], [, other]) => one.at - other.at)
          .map(([known, { at, sizes: expected }]) => [known, at, [...expected]]),
      );
    }),
    { numRuns: 150 },
  );
});
