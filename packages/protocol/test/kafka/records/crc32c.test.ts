/** CRC-32C: known values, continuing, and the tail without a view, against a bit-by-bit second one. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { crc32c, crc32cImplementation, crc32cOfTail } from '../../../src/kafka/records/crc32c.ts';

function bitByBit(bytes: Uint8Array): number {
  let state = 0xffffffff;
  for (const byte of bytes) {
    state ^= byte;
    for (let bit = 0; bit < 8; bit++) state = state & 1 ? (state >>> 1) ^ 0x82f63b78 : state >>> 1;
  }
  return ~state >>> 0;
}

// RFC 3720, appendix B.4.
test.each([
  { name: '32 zeros', bytes: Buffer.alloc(32), crc: 0x8a9136aa },
  { name: '32 ones', bytes: Buffer.alloc(32, 0xff), crc: 0x62a8ab43 },
  { name: 'counting up', bytes: Buffer.from([...Array(32).keys()]), crc: 0x46dd794e },
  { name: 'nothing', bytes: Buffer.alloc(0), crc: 0 },
])('of $name', ({ bytes, crc }) => {
  expect(crc32c(bytes)).toBe(crc);
});

test('any bytes, whole, in two parts, and from a position on', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, cut) => {
      const whole = bitByBit(bytes);
      const at = Math.min(cut, bytes.length);
      expect(crc32c(bytes)).toBe(whole);
      expect(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at)))).toBe(whole);
      expect(crc32cOfTail(bytes, at)).toBe(bitByBit(bytes.subarray(at)));
    }),
  );
});

test('the running implementation has a name', () => {
  expect(['native', 'prebuilt', 'javascript']).toContain(crc32cImplementation);
});
