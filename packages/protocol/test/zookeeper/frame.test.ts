/** Goal: frames come out whole and in order however the bytes were cut, and never beyond the limit. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { JuteFrameSplitter, MalformedMessage } from '../../src/index.ts';

function framed(body: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
}

function taken(splitter: JuteFrameSplitter): Buffer[] {
  const frames: Buffer[] = [];
  for (let frame = splitter.next(); frame !== null; frame = splitter.next()) {
    frames.push(Buffer.from(frame.buffer.subarray(frame.position, frame.end)));
  }
  return frames;
}

test('any bodies, cut anywhere', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 });
  const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(bodies, cuts, (parts, sizes) => {
      const splitter = new JuteFrameSplitter(100);
      const bytes = Buffer.concat(parts.map(framed));
      const frames: Buffer[] = [];
      let position = 0;
      for (let index = 0; position < bytes.length; index += 1) {
        const end = position + (sizes[index % sizes.length] ?? 1);
        splitter.push(bytes.subarray(position, end));
        frames.push(...taken(splitter));
        position = end;
      }
      expect(frames).toEqual(parts.map((part) => Buffer.from(part)));
      expect(splitter.pendingBytes).toBe(0);
    }),
  );
});

test('what is not asked for stays, in front of what comes later', () => {
  const splitter = new JuteFrameSplitter(100);
  splitter.push(Buffer.concat([framed(Buffer.from('a')), framed(Buffer.from('b'))]));
  expect(splitter.next()?.remaining).toBe(1);
  splitter.push(framed(Buffer.from('c')));
  expect(taken(splitter).map(String)).toEqual(['b', 'c']);
});

test.each([
  { sizeBytes: -1, allowed: false },
  { sizeBytes: 101, allowed: false },
  { sizeBytes: 0x7fffffff, allowed: false },
  { sizeBytes: 100, allowed: true },
])('a length of $sizeBytes: allowed $allowed', ({ sizeBytes, allowed }) => {
  const splitter = new JuteFrameSplitter(100);
  const length = Buffer.alloc(4);
  length.writeInt32BE(sizeBytes);
  splitter.push(length);
  expect(splitter.peek()).toBe(sizeBytes);
  if (allowed) expect(splitter.next()).toBeNull();
  else expect(() => splitter.next()).toThrow(MalformedMessage);
});

test('some operations may be longer than the others', () => {
  const larger = { maxBytes: 1_000, mayBeLarger: (opCode: number) => opCode === 101 };
  const frame = (sizeBytes: number, opCode: number): Buffer => {
    const bytes = Buffer.alloc(4 + sizeBytes);
    bytes.writeInt32BE(sizeBytes, 0);
    bytes.writeInt32BE(opCode, 8);
    return bytes;
  };
  const splitter = new JuteFrameSplitter(100, larger);
  const long = frame(900, 101);
  splitter.push(long.subarray(0, 11)); // One byte of the operation code is still to come.
  expect(splitter.next()).toBeNull();
  splitter.push(long.subarray(11));
  expect(splitter.next()?.remaining).toBe(900);
  splitter.push(frame(1_001, 101));
  expect(() => splitter.next()).toThrow(MalformedMessage);
  const other = new JuteFrameSplitter(100, larger);
  other.push(frame(101, 4));
  expect(() => other.next()).toThrow(/0 to 100 are allowed/);
});
