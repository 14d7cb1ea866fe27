/**
 * Frames: whatever pieces they arrive in, they come out as they were; whatever is done to them, the
 * reader says so and takes no more memory than a frame may have.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MalformedPeerData } from '../../src/peers/errors.ts';
import {
  decodePreamble,
  encodePreamble,
  FRAME_HEADER_BYTES,
  FrameReader,
  sealFrame,
} from '../../src/peers/frame.ts';

function frameOf(payload: Uint8Array): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  frame.set(payload, FRAME_HEADER_BYTES);
  return sealFrame(frame);
}

interface Taken {
  readonly bytes: Buffer;
  readonly isOwned: boolean;
}

/** Received bytes are overwritten after each call, as the network does it. */
function receive(chunks: readonly Buffer[], payloadBytesMax = 1 << 20): Taken[] {
  const taken: { bytes: Buffer; isOwned: boolean }[] = [];
  const reader = new FrameReader(payloadBytesMax, (payload, isOwned) => {
    taken.push({ bytes: isOwned ? payload : Buffer.from(payload), isOwned });
  });
  for (const chunk of chunks) {
    const received = Buffer.from(chunk);
    const room = reader.room();
    if (room === null || room.length < received.length) reader.push(received);
    else {
      received.copy(room);
      reader.filled(received.length);
    }
    received.fill(0xdb);
  }
  return taken;
}

function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [
    0,
    ...[...new Set(places.map((at) => at % (bytes.length + 1)))].sort((a, b) => a - b),
    bytes.length,
  ];
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
}

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      (payloads, cuts) => {
        const stream = Buffer.concat(payloads.map(frameOf));
        const taken = receive(cutAt(stream, cuts));
        expect(taken.map(({ bytes }) => bytes)).toEqual(
          payloads.map((bytes) => Buffer.from(bytes)),
        );
      },
    ),
  );
});

test('byte by byte, and a frame of several megabytes in pieces', () => {
  const big = Buffer.alloc(9_000_001, 7);
  const stream = Buffer.concat([frameOf(Buffer.from('a')), frameOf(big), frameOf(Buffer.alloc(0))]);
  const head = stream.subarray(0, 40);
  const rest = stream.subarray(40);
  const chunks = [...head].map((byte) => Buffer.from([byte]));
  for (let at = 0; at < rest.length; at += 65_536) chunks.push(rest.subarray(at, at + 65_536));
  const taken = receive(chunks, 16 * 1024 * 1024);
  expect(taken.map(({ bytes }) => bytes.length)).toEqual([1, big.length, 0]);
  expect(taken[1]?.bytes.equals(big)).toBe(true);
  expect(taken.map(({ isOwned }) => isOwned)).toEqual([true, true, false]);
});

test('any flipped bit is found, before anything behind it is taken', () => {
  const payloads = [Buffer.from('one'), Buffer.from('two, longer'), Buffer.from('three')];
  const stream = Buffer.concat(payloads.map(frameOf));
  for (let bit = 0; bit < stream.length * 8; bit++) {
    const damaged = Buffer.from(stream);
    damaged.writeUInt8(damaged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    const taken: Buffer[] = [];
    const reader = new FrameReader(1 << 20, (payload) => taken.push(Buffer.from(payload)));
    let failed = false;
    try {
      reader.push(damaged);
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedPeerData);
      failed = true;
    }
    // A size that became too great makes the reader wait: nothing wrong was handed on.
    expect(taken).toEqual(payloads.slice(0, taken.length));
    expect(failed || taken.length < payloads.length).toBe(true);
  }
});

test('a frame over the limit is refused by its size alone', () => {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(0xffff_ffff, 4);
  expect(() => receive([header], 1024)).toThrow(/a frame of 4294967295 bytes; at most 1024/);
});

test('memory is taken as bytes arrive, not as they are announced', () => {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(90 * 1024 * 1024, 4);
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 20 }, () => {
    const reader = new FrameReader(96 * 1024 * 1024, () => undefined);
    reader.push(header);
    return reader;
  });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 1024 * 1024);
  expect(readers).toHaveLength(20);
});

test('rubbish ends in an error or in nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (chunks) => {
      try {
        receive(
          chunks.map((bytes) => Buffer.from(bytes)),
          4096,
        );
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedPeerData);
      }
    }),
  );
});

test('a reader that was stopped within a payload takes nothing more', () => {
  const taken: string[] = [];
  const reader: FrameReader = new FrameReader(1024, (payload) => {
    taken.push(payload.toString());
    reader.stop();
  });
  reader.push(Buffer.concat([frameOf(Buffer.from('a')), frameOf(Buffer.from('b'))]));
  expect(taken).toEqual(['a']);
});

test('preambles', () => {
  expect(encodePreamble('election').toString('hex')).toBe('4f64725000010001');
  expect(decodePreamble(Buffer.from('4f64725000010002', 'hex'))).toEqual({
    version: 1,
    purpose: 'replication',
  });
  expect(decodePreamble(Buffer.from('4f64725000070009', 'hex'))).toEqual({
    version: 7,
    purpose: null,
  });
  expect(decodePreamble(Buffer.from('GET / HT'))).toBeNull();
});
