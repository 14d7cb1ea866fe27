/** The small pure parts of the session: connect strings, frames under any chunking, watch portions. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  parseConnectString,
  underChroot,
  withoutChroot,
} from '../../src/coordinator-session/connect-string.ts';
import { FrameCutter } from '../../src/coordinator-session/frames.ts';
import { WatchTable } from '../../src/coordinator-session/watch-table.ts';

describe('connect strings', () => {
  test.each([
    { text: 'h:2181', servers: [['h', 2181]], chroot: '' },
    { text: 'h', servers: [['h', 2181]], chroot: '' },
    {
      text: ' a:1 , b:2,/kafka/x/',
      servers: [
        ['a', 1],
        ['b', 2],
      ],
      chroot: '/kafka/x',
    },
    { text: '[::1]:3/', servers: [['::1', 3]], chroot: '' },
  ])('$text', ({ text, servers, chroot }) => {
    expect(parseConnectString(text)).toEqual({
      servers: servers.map(([host, port]) => ({ host, port })),
      chroot,
    });
  });

  test.each(['', ',', '/kafka', 'h:0', 'h:65536', 'h:x', 'a:1:2', 'h:1/a//b', 'h:1/../a'])(
    'refused: %j',
    (text) => {
      expect(() => parseConnectString(text)).toThrow(expect.objectContaining({ code: 'CONFIG' }));
    },
  );

  test.each([
    { chroot: '', path: '/a', full: '/a' },
    { chroot: '/k', path: '/', full: '/k' },
    { chroot: '/k', path: '/a/b', full: '/k/a/b' },
  ])('$path under "$chroot"', ({ chroot, path, full }) => {
    expect(underChroot(chroot, path)).toBe(full);
    expect(withoutChroot(chroot, full)).toBe(path);
  });
});

describe('frames', () => {
  const framed = (payload: Uint8Array): Buffer => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(payload.length);
    return Buffer.concat([length, payload]);
  };

  test('property: however the bytes are cut, the frames are the same', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (payloads, cuts) => {
          const frames = payloads.map(framed);
          const bytes = Buffer.concat(frames);
          const seen: Buffer[] = [];
          const cutter = new FrameCutter((frame) => seen.push(Buffer.from(frame)));
          for (let at = 0, n = 0; at < bytes.length; n += 1) {
            const end = at + (cuts[n % cuts.length] ?? 1);
            cutter.push(Buffer.from(bytes.subarray(at, end)));
            at = end;
          }
          expect(seen).toEqual(frames);
        },
      ),
    );
  });

  test.each(['ffffffff', '7fffffff', '04000001'])('a length of %s is refused', (hex) => {
    const cutter = new FrameCutter(() => undefined);
    expect(() => cutter.push(Buffer.from(hex, 'hex'))).toThrow(
      expect.objectContaining({ code: 'MALFORMED_MESSAGE' }),
    );
  });
});

test('watches are told to a server in portions, each path once', () => {
  const table = new WatchTable();
  const watcher = (): void => undefined;
  expect([...table.portions(10)]).toEqual([]);
  for (const path of ['/aaaaaa', '/bbbbbb', '/cccccc']) table.add('data', path, watcher);
  table.add('exist', '/d', watcher);
  table.add('child', '/aaaaaa', watcher);
  table.add('child', '/aaaaaa', () => undefined);
  expect([...table.portions(20)]).toEqual([
    { data: ['/aaaaaa', '/bbbbbb'], exist: [], child: [] },
    { data: ['/cccccc'], exist: ['/d'], child: ['/aaaaaa'] },
  ]);
  expect(table.fire(2, '/aaaaaa').size).toBe(2); // Once who watched data and children.
  expect(table.clear()).toHaveLength(3);
  expect(table.isEmpty).toBe(true);
});
