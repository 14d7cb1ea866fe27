/**
 * What a log knows of transactions, against a simple model: random producers begin, abort and commit
 * on a leader and a follower that roll, are cut, lose their oldest segments and are stopped and
 * killed. And the transaction index file for itself: bytes, truncations, damage.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { LogManager } from '../../src/log/log-manager.ts';
import { OpenFiles } from '../../src/log/open-files.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import {
  type AbortedTransaction,
  decodeAborted,
  encodeAborted,
  openTransactionIndex,
  TRANSACTION_ENTRY_BYTES,
  TRANSACTION_INDEX_READ_BYTES,
  TransactionIndex,
} from '../../src/log/transaction-index.ts';
import { MemoryDisk } from './memory-disk.ts';
import { openManager, timedEnvironment, written } from './support.ts';
import {
  abortedIn,
  bytesOfBatch,
  factsOfBatches,
  type ModelBatch,
  stableOffset,
} from './transaction-model.ts';

const DIRECTORY = '/data';
const FOLDER = '/data/t-0';
const INDEX_FILE = `${FOLDER}/00000000000000000000.txnindex`;
const COORDINATOR = { leaderEpoch: 0, origin: 'coordinator' } as const;

/** Segments of a few batches, so that transactions reach over several. */
const settings = { segmentBytes: 400, indexIntervalBytes: 100, fileDeleteDelayMs: 0 };

function open(disk: MemoryDisk): Promise<LogManager> {
  return openManager(DIRECTORY, { environment: timedEnvironment(disk), config: settings });
}

/** A log and what it ought to hold. */
class Subject {
  disk = new MemoryDisk();
  batches: ModelBatch[] = [];
  readonly #role: 'leader' | 'follower';
  #manager!: LogManager;
  #log!: PartitionLog;
  /** Producer state was read from a snapshot. */
  #reloaded = false;

  constructor(role: 'leader' | 'follower') {
    this.#role = role;
  }

  get log(): PartitionLog {
    return this.#log;
  }

  async start(): Promise<void> {
    this.#manager = await open(this.disk);
    this.#log = await this.#manager.getOrCreate('t', 0, null);
  }

  async stop(): Promise<void> {
    await this.#manager.close();
    this.#reloaded = true;
    await this.start();
  }

  /** As kill -9 does: what the system has is there, what waited in memory is not. */
  async kill(): Promise<void> {
    this.disk = this.disk.copy();
    this.#reloaded = true;
    await this.start();
  }

  async append(
    steps: readonly { producerId: bigint | null; kind: ModelBatch['kind']; count: number }[],
  ): Promise<void> {
    const parts: Buffer[] = [];
    let offset = this.#log.nextOffset;
    for (const { producerId, kind, count } of steps) {
      const bytes = bytesOfBatch({ producerId, kind, count, mark: offset & 0xff });
      const size = kind === 'commit' || kind === 'abort' ? 1 : count;
      bytes.writeBigInt64BE(BigInt(offset), 0);
      parts.push(bytes);
      this.batches.push({ producerId, kind, firstOffset: offset, lastOffset: offset + size - 1 });
      offset += size;
    }
    const records = Buffer.concat(parts);
    if (this.#role === 'leader') this.#log.appendAsLeader(records, COORDINATOR);
    else this.#log.appendAsFollower(records);
    await written(this.#log);
  }

  async truncate(offset: number): Promise<void> {
    await this.#log.truncateTo(offset);
    this.#reloaded = true;
    this.batches = this.batches.filter(({ lastOffset }) => lastOffset < offset);
  }

  async check(highWatermark: number): Promise<void> {
    const log = this.#log;
    const facts = factsOfBatches(this.batches);
    const end = (this.batches.at(-1)?.lastOffset ?? -1) + 1;
    expect(log.logEndOffset).toBe(end);
    log.updateHighWatermark(Math.max(log.highWatermark, highWatermark));
    const stable = stableOffset(facts, log.logStartOffset, log.highWatermark);
    // A snapshot keeps what is open; what had ended, but above the high watermark, counts as settled.
    if (this.#reloaded) expect(log.lastStableOffset).toBeGreaterThanOrEqual(stable);
    if (!this.#reloaded || log.highWatermark === end) expect(log.lastStableOffset).toBe(stable);
    for (const from of offsetsUpTo(end)) {
      for (const to of offsetsUpTo(end)) {
        if (from < log.logStartOffset || from > to) continue;
        expect(await log.abortedTransactions(from, to)).toEqual(abortedIn(facts, from, to));
      }
    }
    expect(this.indexFiles()).toEqual(
      facts.aborted.filter(({ lastOffset }) => lastOffset >= this.firstBase()),
    );
  }

  /** All entries of all files, which say by their names that they are about their own segment. */
  indexFiles(): AbortedTransaction[] {
    const entries: AbortedTransaction[] = [];
    const bases = this.#bases();
    for (const name of this.disk.names(FOLDER)) {
      if (!name.endsWith('.txnindex')) continue;
      const base = Number(name.slice(0, 20));
      const next = bases.find((other) => other > base) ?? Number.POSITIVE_INFINITY;
      const content = this.disk.content(`${FOLDER}/${name}`);
      expect(content.length % TRANSACTION_ENTRY_BYTES).toBe(0);
      for (let at = 0; at < content.length; at += TRANSACTION_ENTRY_BYTES) {
        const entry = decodeAborted(content, at);
        expect(entry.lastOffset).toBeGreaterThanOrEqual(base);
        expect(entry.lastOffset).toBeLessThan(next);
        entries.push(entry);
      }
    }
    return entries;
  }

  firstBase(): number {
    return this.#bases()[0] ?? 0;
  }

  #bases(): number[] {
    return this.disk
      .names(FOLDER)
      .filter((name) => name.endsWith('.log'))
      .map((name) => Number(name.slice(0, 20)));
  }
}

/** About twenty offsets from 0 to `end`. */
function offsetsUpTo(end: number): number[] {
  const offsets: number[] = [];
  for (let at = 0; at <= end; at += Math.max(1, Math.floor(end / 20))) offsets.push(at);
  return offsets.at(-1) === end ? offsets : [...offsets, end];
}

const batchStep = fc.record({
  producerId: fc.constantFrom(null, 1n, 2n, 3n, 7_000_000_000n),
  kind: fc.constantFrom<ModelBatch['kind']>('data', 'data', 'abort', 'abort', 'commit'),
  count: fc.integer({ min: 1, max: 4 }),
});

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('append'),
      batches: fc.array(batchStep, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('truncate'),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('trim'),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('flush', 'stop', 'kill') }) },
);

type Step =
  | {
      do: 'append';
      batches: { producerId: bigint | null; kind: ModelBatch['kind']; count: number }[];
    }
  | { do: 'truncate' | 'trim'; share: number }
  | { do: 'flush' | 'stop' | 'kill' };

async function perform(subject: Subject, action: Step): Promise<void> {
  const { log } = subject;
  switch (action.do) {
    case 'append':
      return subject.append(
        action.batches.map((batch) =>
          batch.producerId === null ? { ...batch, kind: 'plain' } : batch,
        ),
      );
    case 'truncate': {
      const from = log.logStartOffset;
      return subject.truncate(from + Math.ceil(action.share * (log.logEndOffset - from)));
    }
    case 'trim': {
      log.updateHighWatermark(log.logEndOffset);
      const from = log.logStartOffset;
      return log.advanceLogStart(from + Math.floor(action.share * (log.logEndOffset - from)));
    }
    case 'flush':
      return log.flush();
    case 'stop':
      return subject.stop();
    case 'kill':
      return subject.kill();
  }
}

test.each(['leader', 'follower'] as const)(
  'a %s knows what was aborted and what is stable, whatever happens to it',
  async (role) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const subject = new Subject(role);
        await subject.start();
        for (const action of steps as Step[]) await perform(subject, action);
        const share = steps.length % 3;
        const end = subject.log.logEndOffset;
        await subject.check(share === 0 ? end : Math.floor((end * share) / 3));
        await subject.check(end);
      }),
      { numRuns: 60 },
    );
  },
);

describe('the index of a segment', () => {
  const transaction = (index: number): AbortedTransaction => ({
    producerId: BigInt(index % 3),
    firstOffset: index * 10,
    lastOffset: index * 10 + 15,
    lastStableOffset: index * 10 + 10,
  });

  test('has entries as Apache Kafka writes them', () => {
    const entry = { producerId: 4000n, firstOffset: 3, lastOffset: 8, lastStableOffset: 5 };
    const bytes = encodeAborted([entry]);
    expect(bytes.toString('hex')).toBe(
      ['0000', '0000000000000fa0', '0000000000000003', '0000000000000008', '0000000000000005'].join(
        '',
      ),
    );
    expect(decodeAborted(bytes, 0)).toEqual(entry);
  });

  test.each([0, 1, 2, 5000])(
    'of %i entries is searched in place, with reads of a bounded size',
    async (count) => {
      const disk = new MemoryDisk();
      const files = new OpenFiles(disk);
      const all = Array.from({ length: count }, (_, index) => transaction(index));
      const index = new TransactionIndex(INDEX_FILE);
      for (let at = 0; at < count; at += 700) await index.append(files, all.slice(at, at + 700));
      if (count === 0) disk.put(INDEX_FILE, '');
      expect([index.count, index.lastOffset]).toEqual([count, count === 0 ? -1 : count * 10 + 5]);
      for (const from of [0, 5, 16, 20_000, 49_000, 50_006]) {
        for (const to of [1, 30, 20_010, 60_000]) {
          const found: AbortedTransaction[] = [];
          await index.collect(files, { from, to }, found);
          expect(found).toEqual(
            all.filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to),
          );
        }
      }
      expect(TRANSACTION_INDEX_READ_BYTES % TRANSACTION_ENTRY_BYTES).toBe(0);
    },
  );

  test('is cut at any marker, in memory and in the file', async () => {
    for (let offset = 0; offset < 70; offset++) {
      const disk = new MemoryDisk();
      const files = new OpenFiles(disk);
      const all = Array.from({ length: 5 }, (_, index) => transaction(index));
      const index = new TransactionIndex(INDEX_FILE);
      await index.append(files, all);
      await index.truncate(files, offset);
      const kept = all.filter(({ lastOffset }) => lastOffset < offset);
      expect([index.count, index.lastOffset]).toEqual([kept.length, kept.at(-1)?.lastOffset ?? -1]);
      expect(disk.content(INDEX_FILE)).toEqual(encodeAborted(kept));
      await index.append(files, [transaction(9)]);
      expect(disk.content(INDEX_FILE)).toEqual(encodeAborted([...kept, transaction(9)]));
    }
  });

  const sound = encodeAborted([transaction(0), transaction(1), transaction(2)]);
  const version = Buffer.from(sound);
  version.writeInt16BE(1, TRANSACTION_ENTRY_BYTES);
  test.each([
    { name: 'sound', bytes: sound, range: { from: 0, to: 36 }, count: 3 },
    { name: 'empty', bytes: Buffer.alloc(0), range: { from: 0, to: 36 }, count: 0 },
    { name: 'cut', bytes: sound.subarray(0, -1), range: { from: 0, to: 36 }, count: null },
    { name: 'below its segment', bytes: sound, range: { from: 16, to: 36 }, count: null },
    { name: 'behind its segment', bytes: sound, range: { from: 0, to: 35 }, count: null },
    { name: 'of another version', bytes: version, range: { from: 0, to: 36 }, count: null },
    { name: 'zeros', bytes: Buffer.alloc(68), range: { from: 0, to: 36 }, count: null },
    {
      name: 'out of order',
      bytes: encodeAborted([transaction(1), transaction(0)]),
      range: { from: 0, to: 36 },
      count: null,
    },
  ])('that is $name is taken, or is built anew', async ({ bytes, range, count }) => {
    const disk = new MemoryDisk();
    disk.put(INDEX_FILE, bytes);
    const opened = await openTransactionIndex(new OpenFiles(disk), INDEX_FILE, range);
    expect(opened?.count ?? null).toBe(count);
  });
});

describe('a start', () => {
  async function logWithAborts(): Promise<Subject> {
    const subject = new Subject('leader');
    await subject.start();
    for (let round = 0; round < 12; round++) {
      await subject.append([{ producerId: 1n, kind: 'data', count: 2 }]);
      await subject.append([{ producerId: BigInt(1 + (round % 2)), kind: 'data', count: 1 }]);
      await subject.append([
        { producerId: 1n, kind: round % 3 === 0 ? 'commit' : 'abort', count: 1 },
      ]);
    }
    await subject.log.flush();
    return subject;
  }

  test.each(['stop', 'kill'] as const)(
    'after a %s mends whatever happened to an index',
    async (end) => {
      const harms: ((disk: MemoryDisk, file: string) => void)[] = [
        (disk, file) => disk.put(file, disk.content(file).subarray(0, -1)),
        (disk, file) => disk.put(file, Buffer.alloc(68, 0xff)),
        (disk, file) => disk.put(file, Buffer.concat([disk.content(file), Buffer.alloc(34)])),
      ];
      for (const harm of harms) {
        const subject = await logWithAborts();
        if (end === 'stop') await subject.stop();
        const before = subject.indexFiles();
        expect(before.length).toBeGreaterThan(3);
        for (const name of subject.disk.names(FOLDER)) {
          if (name.endsWith('.txnindex')) harm(subject.disk, `${FOLDER}/${name}`);
        }
        await subject.kill();
        await subject.check(subject.log.logEndOffset);
        expect(subject.indexFiles()).toEqual(before);
      }
    },
  );

  test('an index file that no marker is for is removed by recovery', async () => {
    const subject = new Subject('leader');
    await subject.start();
    await subject.append([{ producerId: null, kind: 'plain', count: 1 }]);
    subject.disk.put(
      INDEX_FILE,
      encodeAborted([{ producerId: 1n, firstOffset: 0, lastOffset: 0, lastStableOffset: 1 }]),
    );
    await subject.kill();
    expect(subject.disk.names(FOLDER)).not.toContain('00000000000000000000.txnindex');
    expect(await subject.log.abortedTransactions(0, 1)).toEqual([]);
  });
});

test('a log without aborted transactions answers at once, and reads nothing', async () => {
  const subject = new Subject('leader');
  await subject.start();
  await subject.append([{ producerId: 1n, kind: 'data', count: 2 }]);
  await subject.append([{ producerId: 1n, kind: 'abort', count: 1 }]);
  await subject.append([{ producerId: null, kind: 'plain', count: 5 }]);
  const reads = subject.disk.count('read');
  expect(subject.log.abortedTransactions(3, 8)).toEqual([]);
  expect(subject.log.abortedTransactions(2, 2)).toEqual([]);
  expect(subject.disk.count('read')).toBe(reads);
  expect(await subject.log.abortedTransactions(2, 3)).toHaveLength(1);
});

test('a marker counts when its entry is in the file, not before', async () => {
  const subject = new Subject('leader');
  await subject.start();
  await subject.append([{ producerId: 1n, kind: 'data', count: 2 }]);
  let open = (): void => {};
  subject.disk.gate = new Promise((resolve) => {
    open = resolve;
  });
  let entriesThen = -1;
  subject.log.onAdvance = () => {
    entriesThen = subject.indexFiles().length;
  };
  const appending = subject.append([{ producerId: 1n, kind: 'abort', count: 1 }]);
  expect(subject.indexFiles()).toEqual([]);
  expect(subject.log.logEndOffset).toBe(2);
  open();
  await appending;
  expect(entriesThen).toBe(1);
});

test('a disk that fails for the index takes the directory offline, and nothing is acknowledged', async () => {
  const subject = new Subject('leader');
  await subject.start();
  await subject.append([{ producerId: 1n, kind: 'data', count: 2 }]);
  let advanced = false;
  subject.log.onAdvance = () => {
    advanced = true;
  };
  const failed = new Promise<Error>((resolve) => {
    subject.log.onFailure = (_, error) => resolve(error);
  });
  subject.disk.fail = (operation, file) =>
    operation === 'write' && file.endsWith('.txnindex') ? 'EIO' : null;
  const marker = bytesOfBatch({ producerId: 1n, kind: 'abort', count: 1, mark: 0 });
  subject.log.appendAsLeader(marker, COORDINATOR);
  await failed;
  expect([advanced, subject.log.offline]).toEqual([false, true]);
  expect(() => subject.log.abortedTransactions(0, 3)).toThrow('KAFKA_STORAGE_ERROR');
});
