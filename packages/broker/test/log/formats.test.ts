/** Names and text files of a data directory, byte for byte; and logs in the formats before magic 2. */
import { describe, expect, test } from '@jest/globals';
import { encodeMessageSet } from '@odradek/protocol';
import {
  decodeEpochCheckpoint,
  encodeOffsetCheckpoint,
  readOffsetCheckpoint,
  writeEpochCheckpoint,
} from '../../src/log/checkpoint-file.ts';
import {
  deleteFolderName,
  offsetOfFileName,
  parsePartitionFolder,
  segmentFileName,
} from '../../src/log/file-names.ts';
import { MemoryDisk } from './memory-disk.ts';
import { openManager, readAll, timedEnvironment, written } from './support.ts';

describe('names', () => {
  test.each([
    { name: 't-0', expected: { kind: 'live', topic: 't', partition: 0 } },
    { name: 'a-b-c-12', expected: { kind: 'live', topic: 'a-b-c', partition: 12 } },
    {
      name: '__consumer_offsets-49',
      expected: { kind: 'live', topic: '__consumer_offsets', partition: 49 },
    },
    {
      name: `t-3.${'0a'.repeat(16)}-delete`,
      expected: { kind: 'delete', topic: 't', partition: 3 },
    },
    {
      name: `t-3.${'0a'.repeat(16)}-future`,
      expected: { kind: 'future', topic: 't', partition: 3 },
    },
    { name: `t-3.${'0a'.repeat(16)}-stray`, expected: { kind: 'stray', topic: 't', partition: 3 } },
    { name: 'lost+found', expected: null },
    { name: 't', expected: null },
    { name: '-1', expected: null },
    { name: 't-', expected: null },
    { name: 't-1x', expected: null },
  ])('folder $name', ({ name, expected }) => {
    expect(parsePartitionFolder(name)).toEqual(expected);
  });

  test('the name of a deleted folder fits, however long the topic', () => {
    const unique = 'ab'.repeat(16);
    const long = deleteFolderName('x'.repeat(249), 12, unique);
    expect(long).toHaveLength(255);
    expect(parsePartitionFolder(long)).toMatchObject({ kind: 'delete', partition: 12 });
  });

  test.each([
    { offset: 0, name: '00000000000000000000.log' },
    { offset: 2 ** 53 - 1, name: '00009007199254740991.log' },
  ])('segment of offset $offset', ({ offset, name }) => {
    expect(segmentFileName(offset, '.log')).toBe(name);
    expect(offsetOfFileName(name, '.log')).toBe(offset);
  });

  test.each([
    '0.log',
    '00000000000000000000.log.deleted',
    'x0000000000000000000.log',
    '00000000000000000000.index',
  ])('%s is no log segment', (name) => expect(offsetOfFileName(name, '.log')).toBeNull());
});

describe('checkpoints', () => {
  const disk = new MemoryDisk();

  test('of offsets', async () => {
    const entries = [
      { topic: 'first', partition: 0, offset: 12 },
      { topic: 'a.b-c', partition: 11, offset: 2 ** 40 },
    ];
    disk.put('/offsets', encodeOffsetCheckpoint(entries));
    expect(disk.content('/offsets').toString()).toBe('0\n2\nfirst 0 12\na.b-c 11 1099511627776\n');
    expect(await readOffsetCheckpoint(disk, '/offsets')).toEqual(
      new Map([
        ['first-0', 12],
        ['a.b-c-11', 2 ** 40],
      ]),
    );
  });

  test('of epochs', async () => {
    await writeEpochCheckpoint(disk, '/epochs', [
      { epoch: 0, startOffset: 0 },
      { epoch: 3, startOffset: 70 },
    ]);
    expect(disk.content('/epochs').toString()).toBe('0\n2\n0 0\n3 70\n');
    expect(decodeEpochCheckpoint(disk.content('/epochs'), '/epochs')).toEqual([
      { epoch: 0, startOffset: 0 },
      { epoch: 3, startOffset: 70 },
    ]);
  });

  test('a missing and an empty file have no entries', async () => {
    disk.put('/empty', '');
    for (const file of ['/missing', '/empty']) {
      expect(await readOffsetCheckpoint(disk, file)).toEqual(new Map());
      expect(decodeEpochCheckpoint(disk.content(file), file)).toEqual([]);
    }
  });

  test.each([
    '1\n0\n',
    'x',
    '0\n',
    '0\n2\nt 0 1\n',
    '0\n1\nt 0 1\nt 1 1\n',
    '0\n1\nt 0\n',
    '0\n1\nt x 1\n',
    '0\n1\nt 0 -1\n',
    '0\n1\nt 0 1 1\n',
  ])('%j is refused with the name of the file', async (content) => {
    disk.put('/damaged', content);
    await expect(readOffsetCheckpoint(disk, '/damaged')).rejects.toThrow('/damaged');
  });
});

describe('a log with messages of magic 0 and 1', () => {
  const record = (value: string, offsetDelta: number) => ({
    key: null,
    value: Buffer.from(value),
    timestamp: 1_700_000_000_000 + offsetDelta,
    offsetDelta,
  });
  const sets = [
    encodeMessageSet({ magic: 0, records: [record('a', 0), record('b', 1)], baseOffset: 0 }),
    encodeMessageSet({ magic: 1, records: [record('c', 0)], baseOffset: 2 }),
    encodeMessageSet({
      magic: 1,
      records: [record('d', 0), record('e', 1)],
      baseOffset: 3,
      compression: 'gzip',
    }),
  ];

  test('is recovered and read like any other', async () => {
    const disk = new MemoryDisk();
    const all = Buffer.concat(sets);
    disk.put('/data/t-0/00000000000000000000.log', Buffer.concat([all, all.subarray(0, 10)]));
    const manager = await openManager('/data', { environment: timedEnvironment(disk) });
    const log = manager.get('t', 0)!;
    expect(log.logEndOffset).toBe(5);
    expect(await readAll(log)).toEqual(all);
    expect((await log.read(1, 10, 5, true)).nextOffset).toBe(2);
    expect(await log.offsetForTimestamp(1_700_000_000_001, 5)).toEqual({
      offset: 4,
      timestamp: 1_700_000_000_001,
      leaderEpoch: -1,
    });
  });

  test('can be followed; its messages know no epochs', async () => {
    const manager = await openManager('/data', { environment: timedEnvironment(new MemoryDisk()) });
    const log = await manager.getOrCreate('t', 0, null);
    log.startEpoch(3);
    log.appendAsFollower(Buffer.concat(sets));
    await written(log);
    expect([log.logEndOffset, log.latestEpoch]).toEqual([5, null]);
    expect(await readAll(log)).toEqual(Buffer.concat(sets));
  });
});
