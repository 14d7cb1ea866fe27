/** Goal: what the pen writes, a general msgpack decoder reads as the same values, at every size's edge. */
import { expect, test } from '@jest/globals';
import { Packr } from 'msgpackr';
import { MsgpackPen } from '../../src/server/msgpack-pen.ts';

const packr = new Packr({ useRecords: false, int64AsType: 'bigint' });

test.each([0, 1, 10, 11, 31, 32, 255, 256, 65_535, 65_536, 70_000])(
  'texts and bytes of %i',
  (length) => {
    for (const letter of ['a', 'é', '\u20ac']) {
      const text = letter.repeat(length);
      const bytes = Buffer.alloc(length, 7);
      const pen = new MsgpackPen(64 + 4 * length + length);
      pen.array(2);
      pen.text(text);
      pen.bytes(bytes);
      expect(packr.unpack(pen.finish())).toEqual([text, bytes]);
    }
  },
);

test('numbers, and nothing', () => {
  const pen = new MsgpackPen(128);
  pen.array(9);
  pen.small(0);
  pen.small(127);
  pen.int32(-(2 ** 31));
  pen.number(1_700_000_000_123);
  pen.number(2 ** 31);
  pen.int64(-(2n ** 63n));
  pen.int64(0x0123_4567_89ab_cdefn);
  pen.nothing();
  pen.bytes(null);
  expect(packr.unpack(pen.finish())).toEqual([
    0,
    127,
    -(2 ** 31),
    1_700_000_000_123,
    2 ** 31,
    -(2n ** 63n),
    0x0123_4567_89ab_cdefn,
    null,
    null,
  ]);
});
