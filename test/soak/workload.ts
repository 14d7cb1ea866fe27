/**
 * Who uses the broker during a soak run: writers at a steady pace, readers at the tail, readers of everything, readers
 * that stop reading for a while, writers and readers of a compacted topic, and topics that come and go.
 */
import { connect, type Socket } from 'node:net';
import type { ConsumedBatch, Consumer, DeliveryCallback, Kafka, Producer } from '@odradek/client';
import { apis, encodeRequest, KafkaError } from '@odradek/protocol';
import type { Ledger, LedgerReader, Report, TableLedger } from './ledger.ts';

export interface Topic {
  readonly name: string;
  readonly partitions: number;
}

const PACE_MS = 50;
const POLL_MS = 500;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const placeOf = (topic: string, partition: number): string => `${topic}-${partition}`;
const partitionsOf = ({ name, partitions }: Topic): { topic: string; partition: number }[] =>
  Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }));

/** Writes `recordsPerSecond` records to all partitions in turn until told to stop; each waits for its acknowledgement. */
export async function write(
  kafka: Kafka,
  topics: readonly Topic[],
  ledger: Ledger,
  report: Report,
  options: {
    readonly writer: number;
    readonly recordsPerSecond: number;
    readonly sizeBytes: number;
    readonly stop: AbortSignal;
  },
): Promise<void> {
  const { writer, recordsPerSecond, sizeBytes, stop } = options;
  const producer = kafka.producer({ compression: writer % 2 === 0 ? 'none' : 'lz4' });
  const places = topics.flatMap(partitionsOf);
  const sequences = places.map(() => 0);
  const padding = 'x'.repeat(sizeBytes);
  let posted = 0;
  const beganAt = performance.now();
  while (!stop.aborted) {
    const due = ((performance.now() - beganAt) / 1000) * recordsPerSecond;
    for (; posted < due; posted += 1) {
      const at = posted % places.length;
      const { topic, partition } = places[at] as (typeof places)[number];
      const sequence = sequences[at] ?? 0;
      sequences[at] = sequence + 1;
      const value = `${writer} ${sequence} ${padding}`;
      const done: DeliveryCallback = (error, delivery) => {
        if (error !== null) report(`writer ${writer}: ${sequence} was given up: ${error.message}`);
        else if (delivery !== null)
          ledger.acknowledged(placeOf(topic, partition), { writer, sequence }, delivery.offset);
      };
      if (!producer.post({ topic, partition, value }, done)) await producer.drained();
    }
    await sleep(PACE_MS);
  }
  await producer.close();
}

/** A value says who wrote it and its number; the rest is padding. */
function takeBatch(batch: ConsumedBatch, reader: LedgerReader): void {
  const place = placeOf(batch.topic, batch.partition);
  for (const { offset, value } of batch.records) {
    const [writer, sequence] = (value?.toString('latin1', 0, 40) ?? '').split(' ');
    reader.read(place, { writer: Number(writer), sequence: Number(sequence) }, offset);
  }
}

/** Reads from the first record on and stays at the tail; then until nothing is missing. */
export async function readTail(
  kafka: Kafka,
  topics: readonly Topic[],
  reader: LedgerReader,
  stop: AbortSignal,
  waitMs: number,
): Promise<void> {
  const consumer = kafka.consumer({ offsetReset: 'earliest' });
  consumer.assign(topics.flatMap(partitionsOf));
  let deadline = Number.POSITIVE_INFINITY;
  while (!stop.aborted || (reader.missing() > 0 && performance.now() < deadline)) {
    for (const batch of await consumer.poll(POLL_MS)) takeBatch(batch, reader);
    if (stop.aborted && deadline === Number.POSITIVE_INFINITY)
      deadline = performance.now() + waitMs;
  }
  await consumer.close();
}

/** Reads everything from wherever the log begins to where it ends, again and again. */
export async function readAllAgain(
  kafka: Kafka,
  topic: Topic,
  ledger: Ledger,
  report: Report,
  stop: AbortSignal,
): Promise<number> {
  let rounds = 0;
  while (!stop.aborted) {
    const reader = ledger.reader(`from the start, round ${rounds}`, false);
    await readOnce(kafka, topic, stop, {
      take: (batch) => takeBatch(batch, reader),
      overtaken: (partition) => reader.beginsAnew(placeOf(topic.name, partition)),
      stuck: report,
    });
    rounds += 1;
  }
  return rounds;
}

/** What one reading of a whole topic hands on. */
interface Reading {
  take(batch: ConsumedBatch): void;
  /** Retention has taken what was to come next: it begins anew. */
  overtaken(partition: number): void;
  stuck: Report;
}

/** A reader that gets nothing for so long although there is something is a fault. */
const STUCK_MS = 30_000;

/** Reads each partition from its start to the end that it has now. */
async function readOnce(
  kafka: Kafka,
  topic: Topic,
  stop: AbortSignal,
  reading: Reading,
): Promise<void> {
  const places = partitionsOf(topic);
  const ends = await kafka.admin().listOffsets(places.map((place) => ({ ...place, at: 'latest' })));
  const open = new Map(
    ends.flatMap(({ partition, offset }) => (offset > 0 ? [[partition, offset] as const] : [])),
  );
  const consumer = kafka.consumer({ offsetReset: 'none', maxPollRecords: 2000 });
  consumer.assign(places.filter(({ partition }) => open.has(partition)));
  for (const place of consumer.assignment()) consumer.seek(place, 'beginning');
  let heardAt = performance.now();
  while (open.size > 0 && !stop.aborted) {
    for (const batch of await pollOrBeginAnew(consumer, reading)) {
      heardAt = performance.now();
      const end = open.get(batch.partition);
      if (end === undefined) continue;
      reading.take(batch);
      if ((batch.records.at(-1)?.offset ?? -1) + 1 < end) continue;
      open.delete(batch.partition);
      consumer.pause([{ topic: topic.name, partition: batch.partition }]);
    }
    if (performance.now() - heardAt < STUCK_MS) continue;
    for (const [partition, end] of open) {
      const at = consumer.position({ topic: topic.name, partition });
      reading.stuck(`${topic.name}-${partition}: nothing comes at ${at}, the end is ${end}`);
    }
    break;
  }
  await consumer.close();
}

async function pollOrBeginAnew(
  consumer: Consumer,
  { overtaken }: Reading,
): Promise<readonly ConsumedBatch[]> {
  try {
    return await consumer.poll(POLL_MS);
  } catch (error) {
    if (!(error instanceof KafkaError) || error.code !== 'OFFSET_OUT_OF_RANGE') throw error;
    for (const place of consumer.assignment()) {
      overtaken(place.partition);
      consumer.seek(place, 'beginning');
    }
    return [];
  }
}

const PILED_UP_REQUESTS = 20;
const FETCH_VERSION = 4;

/** Asks for much, reads nothing for a while, then takes what has come and goes; again and again. */
export async function readSlowly(
  port: number,
  topic: Topic,
  pauseMs: number,
  stop: AbortSignal,
): Promise<number> {
  let takenBytes = 0;
  while (!stop.aborted) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => socket.destroy());
    socket.pause();
    for (let n = 0; n < PILED_UP_REQUESTS; n += 1) socket.write(fetchRequest(topic, n));
    await pause(pauseMs, stop);
    socket.on('data', (chunk: Buffer) => {
      takenBytes += chunk.length;
    });
    socket.resume();
    await pause(pauseMs / 2, stop);
    await gone(socket);
  }
  return takenBytes;
}

function fetchRequest(topic: Topic, correlationId: number): Buffer {
  const body = {
    replicaId: -1,
    maxWaitMs: 100,
    minBytes: 1,
    maxBytes: 50 * 1024 * 1024,
    isolationLevel: 0,
    topics: [
      {
        topic: topic.name,
        partitions: partitionsOf(topic).map(({ partition }) => ({
          partition,
          fetchOffset: 0,
          partitionMaxBytes: 1024 * 1024,
        })),
      },
    ],
  };
  return Buffer.concat(encodeRequest(apis.fetch, FETCH_VERSION, correlationId, 'slow', body));
}

function gone(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
    socket.destroy();
  });
}

/** Sleeps in short pieces, so that the end of the run is noticed. */
async function pause(ms: number, stop: AbortSignal): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until && !stop.aborted) await sleep(Math.min(100, ms));
}

/** Writes newer and newer values of a few keys. */
export async function writeTable(
  kafka: Kafka,
  topic: Topic,
  table: TableLedger,
  report: Report,
  options: {
    readonly keys: number;
    readonly recordsPerSecond: number;
    readonly sizeBytes: number;
    readonly stop: AbortSignal;
  },
): Promise<void> {
  const { keys, recordsPerSecond, sizeBytes, stop } = options;
  const producer: Producer = kafka.producer();
  const padding = 'x'.repeat(sizeBytes);
  const beganAt = performance.now();
  for (let sequence = 0; !stop.aborted; ) {
    const due = ((performance.now() - beganAt) / 1000) * recordsPerSecond;
    for (; sequence < due; sequence += 1) {
      const number = sequence;
      const key = `k${number % keys}`;
      const done: DeliveryCallback = (error) => {
        if (error !== null) report(`table: ${number} was given up: ${error.message}`);
        else table.acknowledged(key, number);
      };
      const partition = (number % keys) % topic.partitions;
      const record = { topic: topic.name, partition, key, value: `${number} ${padding}` };
      if (!producer.post(record, done)) await producer.drained();
    }
    await sleep(PACE_MS);
  }
  await producer.close();
}

export async function readTable(
  kafka: Kafka,
  topic: Topic,
  table: TableLedger,
  report: Report,
  stop: AbortSignal,
): Promise<number> {
  let rounds = 0;
  // Once more after the last write, when the answer must be complete.
  const never = new AbortController().signal;
  for (let isLast = false; !isLast; ) {
    isLast = stop.aborted;
    rounds += 1;
    const reading = table.beginReading(`table, round ${rounds}`);
    await readOnce(kafka, topic, never, {
      take: ({ records }) => {
        for (const { key, value } of records)
          reading.read(key?.toString() ?? '', Number((value?.toString() ?? '').split(' ')[0]));
      },
      overtaken: (partition) =>
        report(`${topic.name}-${partition}: the log begins later than it did`),
      stuck: report,
    });
    reading.end();
  }
  return rounds;
}

/** Topics that are made, written to and deleted. */
export async function topicsComeAndGo(
  kafka: Kafka,
  everyMs: number,
  stop: AbortSignal,
): Promise<number> {
  const admin = kafka.admin();
  let count = 0;
  while (!stop.aborted) {
    const name = `brief-${count}`;
    await admin.createTopic({ name, partitions: 3, replicationFactor: 1 });
    const producer = kafka.producer();
    const sent: Promise<unknown>[] = [];
    for (let n = 0; n < 300; n += 1)
      sent.push(producer.send({ topic: name, partition: n % 3, value: 'x'.repeat(1000) }));
    await Promise.all(sent);
    await producer.close();
    await admin.deleteTopics([name]);
    count += 1;
    await pause(everyMs, stop);
  }
  return count;
}
