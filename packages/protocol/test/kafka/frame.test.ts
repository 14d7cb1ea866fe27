/** Headers and frames: golden bytes, every api and version both ways, and any chopping of the stream. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MalformedMessage, UnsupportedVersion } from '../../src/errors.ts';
import {
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequest,
  encodeResponse,
  peekCorrelationId,
} from '../../src/kafka/frame.ts';
import { FrameSplitter } from '../../src/kafka/frame-splitter.ts';
import { type Api, apiByKey, apis } from '../../src/kafka/registry.ts';
import { versionsOf } from '../all-messages.ts';
import { bodyOf } from '../arbitrary.ts';

const everyApi = Object.values<Api>(apis).map((api) => [api.name, api] as const);
const hexOf = (chunks: Buffer[]) => Buffer.concat(chunks).subarray(4).toString('hex');

describe('golden bytes', () => {
  test('ApiVersions v0 and v3, Metadata v12, from client "cid"', () => {
    expect(hexOf(encodeRequest(apis.apiVersions, 0, 7, 'cid', {}))).toBe(
      '00120000000000070003636964',
    );
    const client = { clientSoftwareName: 'x', clientSoftwareVersion: '1' };
    expect(hexOf(encodeRequest(apis.apiVersions, 3, 7, 'cid', client))).toBe(
      '00120003000000070003636964000278023100',
    );
    const all = { topics: null, allowAutoTopicCreation: true };
    expect(hexOf(encodeRequest(apis.metadata, 12, 8, 'cid', all))).toBe(
      '0003000c0000000800036369640000010000',
    );
  });

  test('ControlledShutdown v0 has no client id', () => {
    expect(hexOf(encodeRequest(apis.controlledShutdown, 0, 1, 'lost', { brokerId: 2 }))).toBe(
      '000700000000000100000002',
    );
    expect(hexOf(encodeRequest(apis.controlledShutdown, 1, 1, 'c', { brokerId: 2 }))).toBe(
      '0007000100000001000163' + '00000002',
    );
  });

  test('an ApiVersions response has header v0 in flexible versions too', () => {
    expect(hexOf(encodeResponse(apis.apiVersions, 3, 9, { errorCode: 0, apiKeys: [] }))).toBe(
      '00000009' + '0000' + '01' + '00000000' + '00',
    );
    expect(hexOf(encodeResponse(apis.heartbeat, 4, 9, { errorCode: 27 }))).toBe(
      '00000009' + '00' + '00000000' + '001b' + '00',
    );
    expect(hexOf(encodeResponse(apis.heartbeat, 0, 9, { errorCode: 27 }))).toBe(
      '00000009' + '001b',
    );
  });
});

describe.each(everyApi)('%s', (_name, api) => {
  test('request and response frames of every version can be read back', () => {
    for (const version of versionsOf(api.request)) {
      fc.assert(
        fc.property(
          bodyOf(api.request.members, version),
          bodyOf(api.response.members, version),
          fc.integer(),
          fc.option(fc.string({ maxLength: 60 })),
          (request, response, correlationId, clientId) => {
            const frame = Buffer.concat(
              encodeRequest(api, version, correlationId, clientId, request),
            );
            expect(frame.readInt32BE(0)).toBe(frame.length - 4);
            const payload = frame.subarray(4);
            const header = decodeRequestHeader(payload);
            expect(header).toEqual({
              apiKey: api.key,
              apiVersion: version,
              correlationId,
              clientId: api.requestHeaderVersion(version) === 0 ? null : clientId,
              bodyOffset: header.bodyOffset,
            });
            expect(api.request.decode(payload.subarray(header.bodyOffset), version)).toEqual(
              request,
            );

            const answer = Buffer.concat(encodeResponse(api, version, correlationId, response));
            expect(answer.readInt32BE(0)).toBe(answer.length - 4);
            expect(peekCorrelationId(answer.subarray(4))).toBe(correlationId);
            const { bodyOffset } = decodeResponseHeader(answer.subarray(4), api, version);
            expect(api.response.decode(answer.subarray(4 + bodyOffset), version)).toEqual(response);
          },
        ),
        { numRuns: 3 },
      );
    }
  });

  test('is found by its key, and its two messages agree', () => {
    expect(apiByKey(api.key)).toBe(api);
    expect(api.response.spec).toEqual(api.request.spec);
    expect(api.minVersion).toBe(api.request.spec.versions[0]);
    expect(api.maxVersion).toBe(api.request.spec.versions[1]);
  });
});

test('keys of no api', () => {
  for (const key of [-1, 95, 1000, Number.NaN, 0.5]) expect(apiByKey(key)).toBeUndefined();
});

test('stable versions leave out what no release serves', () => {
  expect(apis.produce.stableVersions).toEqual([0, 13]);
  expect(apis.initProducerId.stableVersions).toEqual([0, 5]);
  expect(apis.shareFetch.stableVersions).toEqual([1, 2]);
  expect(apis.unregisterController.stableVersions).toBeNull();
});

describe('request headers that cannot be read', () => {
  test('an unknown api', () => {
    expect(() => decodeRequestHeader(Buffer.from('03e80000000000010000', 'hex'))).toThrow(
      UnsupportedVersion,
    );
  });

  test('a version from the future is still read as far as the body', () => {
    const frame = Buffer.from('0012' + '0063' + '00000007' + '0001' + '61' + '00' + 'ffff', 'hex');
    expect(decodeRequestHeader(frame)).toEqual({
      apiKey: 18,
      apiVersion: 99,
      correlationId: 7,
      clientId: 'a',
      bodyOffset: 12,
    });
  });

  test('every truncation', () => {
    const frame = Buffer.from('0012' + '0003' + '00000007' + '0003' + '636964' + '00', 'hex');
    for (let size = 0; size < frame.length; size++) {
      expect(() => decodeRequestHeader(frame.subarray(0, size))).toThrow(MalformedMessage);
    }
    expect(() => peekCorrelationId(Buffer.alloc(3))).toThrow(MalformedMessage);
  });
});

describe('the splitter', () => {
  const framed = (frames: readonly Uint8Array[]) =>
    Buffer.concat(
      frames.flatMap((frame) => {
        const size = Buffer.alloc(4);
        size.writeInt32BE(frame.length);
        return [size, frame];
      }),
    );

  const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 12 });
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });

  test.each([false, true])(
    'gives the same frames however the stream is chopped, lent: %s',
    (lendsFrames) => {
      fc.assert(
        fc.property(frames, cuts, (sent, sizes) => {
          const stream = framed(sent);
          const splitter = new FrameSplitter({ maxFrameBytes: 50, lendsFrames });
          const received: Buffer[] = [];
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const size = sizes[turn % sizes.length] as number;
            const chunk = Buffer.from(stream.subarray(at, at + size));
            splitter.push(chunk, (frame, isLent) =>
              received.push(isLent ? Buffer.from(frame) : frame),
            );
            chunk.fill(0xdb); // What is kept must not lie in received bytes.
            at += size;
          }
          expect(received.map((frame) => [...frame])).toEqual(sent.map((frame) => [...frame]));
          expect(splitter.pendingBytes).toBe(0);
        }),
      );
    },
  );

  test('the rest of a big frame is received into its place', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 6 });
    const receipts = fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(sizes, receipts, (frameSizes, receiptSizes) => {
        const sent = frameSizes.map((size, n) => Buffer.alloc(size, n + 1));
        const stream = framed(sent);
        const splitter = new FrameSplitter({ maxFrameBytes: 60_000 });
        const received: Buffer[] = [];
        const deliver = (frame: Buffer): void => void received.push(frame);
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = receiptSizes[turn % receiptSizes.length] as number;
          const { room } = splitter;
          if (room === null) {
            splitter.push(Buffer.from(stream.subarray(at, at + size)), deliver);
            at += size;
          } else {
            const copied = stream.copy(room, 0, at, at + size);
            splitter.filled(copied, deliver);
            at += copied;
          }
        }
        expect(received).toEqual(sent);
      }),
    );
  });

  test('a lent frame is a slice of the chunk, a frame across chunks lies in what was allocated', () => {
    const stream = framed([Buffer.from('one'), Buffer.from('second')]);
    const received: [string, boolean][] = [];
    const allocated: number[] = [];
    const splitter = new FrameSplitter({
      maxFrameBytes: 100,
      lendsFrames: true,
      allocate: (sizeBytes) => {
        allocated.push(sizeBytes);
        return Buffer.alloc(sizeBytes);
      },
    });
    const first = stream.subarray(0, 13);
    splitter.push(first, (frame, isLent) => {
      expect(frame.buffer).toBe(first.buffer);
      received.push([String(frame), isLent]);
    });
    expect(splitter.pendingBytes).toBe(6);
    expect(splitter.room).toBeNull();
    splitter.push(stream.subarray(13), (frame, isLent) => received.push([String(frame), isLent]));
    expect(received).toEqual([
      ['one', true],
      ['second', false],
    ]);
    expect(allocated).toEqual([6]);
  });

  test.each([
    ['negative', 'ffffffff'],
    ['empty', '00000000'],
    ['too large', '00000065'],
  ])('a frame whose size is %s is refused, after those before it', (_what, size) => {
    const stream = Buffer.concat([framed([Buffer.from('good')]), Buffer.from(size, 'hex')]);
    const whole: string[] = [];
    const atOnce = new FrameSplitter({ maxFrameBytes: 100 });
    expect(() => atOnce.push(stream, (frame) => whole.push(String(frame)))).toThrow(
      MalformedMessage,
    );
    expect(whole).toEqual(['good']);
    expect(atOnce.pendingBytes).toBe(0);
    const byByte = new FrameSplitter({ maxFrameBytes: 100 });
    expect(() => {
      for (const byte of stream) byByte.push(Buffer.of(byte), () => undefined);
    }).toThrow(MalformedMessage);
  });
});
