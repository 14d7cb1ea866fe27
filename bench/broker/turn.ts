/** One turn: one server under the load of one row, for a few seconds. */
import { join } from 'node:path';
import type { Codec } from '@odradek/protocol';
import type { Server } from './contestants.ts';
import {
  apacheTool,
  type Clients,
  type Figures,
  type Load,
  runLoads,
  writeBatch,
} from './loads.ts';
import type {
  ApacheConsumeRow,
  ApacheProduceRow,
  BesideReadersRow,
  ClientConsumeRow,
  ClientProduceRow,
  RawFetchRow,
  RawProduceRow,
  Row,
  TailRow,
} from './rows.ts';

export interface TurnOptions {
  readonly clients: Clients;
  /** For batches made beforehand. */
  readonly folder: string;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /**
   * A turn ends before its time when so many bytes were produced in it, and its warm-up at a third of them: see
   * docs/benchmarks.md for what a virtual machine's fresh memory costs.
   */
  readonly producedBytesMax: number;
  /** What a topic holds that is read from its beginning. */
  readonly readBytes: number;
  /** A part of the messages of Apache's tools. */
  readonly messagesPart: number;
}

const PILOT_SECONDS = 1.5;
const RAW_BATCH_RECORDS_MAX = 900;

let topics = 0;

export class Turns {
  readonly #options: TurnOptions;
  /** Names of files with batches by what is in them. */
  readonly #batches = new Map<string, string>();
  /** Topics that are kept for all rounds of a row, by server and row. */
  readonly #filled = new Map<string, string>();
  /** Rates at half load by row. */
  readonly #rates = new Map<Row, number>();

  constructor(options: TurnOptions) {
    this.#options = options;
  }

  /** Finds out what half load is: of what the slowest of the servers takes. */
  async pilot(servers: readonly Server[], row: Row): Promise<void> {
    if (row.kind !== 'raw-produce' && row.kind !== 'client-produce') return;
    if (row.rate !== 'half') return;
    let least = Number.POSITIVE_INFINITY;
    for (const server of servers) {
      const [[, { messagesPerSecond } = { messagesPerSecond: 0 }] = []] = [
        ...(await this.#produce(server, { ...row, rate: 0 }, PILOT_SECONDS)),
      ];
      least = Math.min(least, messagesPerSecond);
    }
    this.#rates.set(row, Math.max(1, Math.floor(least / 2)));
  }

  /** @returns figures of each line that this row has in the table */
  run(server: Server, row: Row): Promise<ReadonlyMap<string, Figures>> {
    switch (row.kind) {
      case 'raw-produce':
      case 'client-produce':
        return this.#produce(server, row, this.#options.seconds);
      case 'apache-produce':
        return this.#apacheProduce(server, row);
      case 'tail':
        return this.#tail(server, row);
      case 'beside-readers':
        return this.#besideReaders(server, row);
      case 'raw-fetch':
      case 'client-consume':
      case 'apache-consume':
        return this.#read(server, row);
    }
  }

  /** No more rounds of this row: its topics may go. */
  async end(servers: readonly Server[], row: Row): Promise<void> {
    for (const server of servers) {
      const key = `${server.name} ${row.medium} ${row.name}`;
      const topic = this.#filled.get(key);
      if (topic !== undefined) await server.deleteTopic(topic);
      this.#filled.delete(key);
    }
  }

  async #produce(
    server: Server,
    row: RawProduceRow | ClientProduceRow,
    seconds: number,
  ): Promise<ReadonlyMap<string, Figures>> {
    return await this.#inNewTopic(server, row, (topic) => {
      const rate = row.rate === 'half' ? (this.#rates.get(row) ?? 0) : row.rate;
      const name = rate === 0 ? row.name : `${row.name} (${rate}/s)`;
      if (row.kind === 'raw-produce')
        return [{ ...this.#rawProduce(server, topic, row, rate, seconds), counts: name }];
      const { instances } = row;
      return Array.from({ length: instances }, () => ({
        ...this.#clientProduce(server, topic, row, rate / instances, seconds),
        counts: name,
      }));
    });
  }

  async #inNewTopic(
    server: Server,
    row: Row,
    loads: (topic: string) => readonly Load[],
  ): Promise<ReadonlyMap<string, Figures>> {
    const topic = newTopic(row);
    await server.createTopic(topic, row.partitions);
    try {
      return await runLoads(server.pid, loads(topic));
    } finally {
      await server.deleteTopic(topic);
    }
  }

  #rawProduce(
    server: Server,
    topic: string,
    row: Pick<
      RawProduceRow,
      'acks' | 'codec' | 'connections' | 'inFlight' | 'partitions' | 'recordsPerBatch' | 'sizeBytes'
    >,
    rate: number,
    seconds: number,
    limitBytes = this.#options.producedBytesMax,
  ): Load {
    const { recordsPerBatch, sizeBytes, codec } = row;
    const args = {
      batch: this.#batch(recordsPerBatch, sizeBytes, codec),
      records: recordsPerBatch,
      bytes_each: sizeBytes,
      acks: row.acks,
      partitions: row.partitions,
      connections: row.connections,
      inflight: row.inFlight,
      rate: Math.ceil(rate / recordsPerBatch),
      warmup: this.#options.warmUpSeconds,
      seconds,
      limit: limitBytes,
    };
    return {
      command: this.#options.clients.raw,
      args: ['produce', String(server.port), topic, ...keyed(args)],
      counts: '',
    };
  }

  #batch(records: number, sizeBytes: number, codec: Codec): string {
    const name = `batch-${records}-${sizeBytes}-${codec}`;
    let path = this.#batches.get(name);
    if (path === undefined) {
      path = join(this.#options.folder, name);
      writeBatch(path, records, sizeBytes, codec);
      this.#batches.set(name, path);
    }
    return path;
  }

  #clientProduce(
    server: Server,
    topic: string,
    row: Pick<ClientProduceRow, 'acks' | 'codec' | 'isSingle' | 'partitions' | 'sizeBytes'>,
    rate: number,
    seconds: number,
  ): Load {
    const batching = row.isSingle
      ? { 'linger.ms': 0, 'batch.num.messages': 1 }
      : { 'linger.ms': rate > 0 ? 5 : 20, 'batch.num.messages': 20_000, 'batch.size': 900_000 };
    const args = {
      ...batching,
      acks: row.acks,
      'compression.type': row.codec,
      'queue.buffering.max.messages': 500_000,
      'queue.buffering.max.kbytes': 131_072,
      'load.rate': Math.ceil(rate),
      'load.partitions': row.partitions,
      'load.warmup': this.#options.warmUpSeconds,
      'load.seconds': seconds,
      'load.bytes': this.#options.producedBytesMax,
    };
    return {
      command: this.#options.clients.librdkafka,
      args: ['produce', server.address, topic, '0', String(row.sizeBytes), ...keyed(args)],
      counts: '',
    };
  }

  #clientConsume(server: Server, topic: string, row: Row, from: 'beginning' | 'end'): Load {
    const args = {
      'fetch.message.max.bytes': 4_194_304,
      'queued.max.messages.kbytes': 65_536,
      'fetch.wait.max.ms': 100,
      'load.from': from,
      'load.loop': from === 'beginning' ? 1 : 0,
      'load.warmup': this.#options.warmUpSeconds,
      'load.seconds': this.#options.seconds,
    };
    return {
      command: this.#options.clients.librdkafka,
      args: ['consume', server.address, topic, '0', String(row.sizeBytes), ...keyed(args)],
      counts: row.name,
    };
  }

  #apacheProduce(server: Server, row: ApacheProduceRow): Promise<ReadonlyMap<string, Figures>> {
    return this.#inNewTopic(server, row, (topic) => {
      const load = apacheTool('Producer', [
        ...['--topic', topic, '--num-records', String(this.#messagesOf(row))],
        ...['--record-size', String(row.sizeBytes), '--throughput', '-1'],
        ...['--producer-props', `bootstrap.servers=${server.address}`],
        ...['acks=1', 'linger.ms=5', 'batch.size=262144', 'buffer.memory=67108864'],
      ]);
      return load === null ? [] : [{ ...load, counts: row.name }];
    });
  }

  #messagesOf({ messages }: ApacheProduceRow | ApacheConsumeRow): number {
    return Math.ceil(messages * this.#options.messagesPart);
  }

  async #tail(server: Server, row: TailRow): Promise<ReadonlyMap<string, Figures>> {
    const old = row.withCatchUp ? await this.#filledTopic(server, row) : null;
    const producer = { ...row, acks: 1, codec: 'none', isSingle: false } as const;
    return await this.#inNewTopic(server, row, (topic) => {
      const { messagesPerSecond: rate } = row;
      const loads = [
        {
          ...this.#clientProduce(server, topic, producer, rate, this.#options.seconds),
          counts: `${row.name}: produce`,
        },
        {
          ...this.#clientConsume(server, topic, row, 'end'),
          counts: `${row.name}: from producer to consumer`,
        },
      ];
      if (old !== null)
        loads.push({
          ...this.#clientConsume(server, old, row, 'beginning'),
          counts: `${row.name}: catch-up reader`,
        });
      return loads;
    });
  }

  async #read(
    server: Server,
    row: RawFetchRow | ClientConsumeRow | ApacheConsumeRow,
  ): Promise<ReadonlyMap<string, Figures>> {
    const topic = await this.#filledTopic(server, row);
    if (row.kind === 'client-consume') {
      const load = this.#clientConsume(server, topic, row, 'beginning');
      return await runLoads(server.pid, new Array<Load>(row.instances).fill(load));
    }
    if (row.kind === 'apache-consume') {
      const load = apacheTool('Consumer', [
        ...['--bootstrap-server', server.address, '--topic', topic],
        ...['--messages', String(this.#messagesOf(row)), '--hide-header', '--timeout', '20000'],
      ]);
      return await runLoads(server.pid, load === null ? [] : [{ ...load, counts: row.name }]);
    }
    return await runLoads(server.pid, [
      { ...this.#rawFetch(server, topic, row, row.connections), counts: row.name },
    ]);
  }

  #rawFetch(
    server: Server,
    topic: string,
    { sizeBytes, partitions }: Pick<Row, 'partitions' | 'sizeBytes'>,
    connections: number,
  ): Load {
    const { seconds, warmUpSeconds, clients } = this.#options;
    const args = {
      bytes_each: sizeBytes,
      partitions,
      connections,
      max_bytes: 4_194_304,
      warmup: warmUpSeconds,
      seconds,
    };
    return {
      command: clients.raw,
      args: ['fetch', String(server.port), topic, ...keyed(args)],
      counts: '',
    };
  }

  async #besideReaders(
    server: Server,
    row: BesideReadersRow,
  ): Promise<ReadonlyMap<string, Figures>> {
    const { readers } = row;
    const old = readers > 0 ? await this.#filledTopic(server, row) : null;
    return await this.#inNewTopic(server, row, (topic) => {
      const { seconds } = this.#options;
      const produce = this.#rawProduce(server, topic, row, row.rate, seconds);
      const producer = { ...produce, counts: row.name };
      if (old === null) return [producer];
      const reading = this.#rawFetch(server, old, row, readers);
      return [producer, { ...reading, counts: `${row.name}: the readers` }];
    });
  }

  /** A topic with old records, made for the first round of a row. */
  async #filledTopic(server: Server, row: Row): Promise<string> {
    const key = `${server.name} ${row.medium} ${row.name}`;
    const there = this.#filled.get(key);
    if (there !== undefined) return there;
    const topic = newTopic(row);
    await server.createTopic(topic, row.partitions);
    this.#filled.set(key, topic);
    const recordsPerBatch = Math.max(
      1,
      Math.min(RAW_BATCH_RECORDS_MAX, Math.floor(500_000 / row.sizeBytes)),
    );
    const load = this.#rawProduce(
      server,
      topic,
      { ...row, acks: 1, codec: 'none', connections: 8, inFlight: 2, recordsPerBatch },
      0,
      60,
      this.#options.readBytes,
    );
    await runLoads(server.pid, [load]);
    return topic;
  }
}

/** The prototype takes the number of partitions from the name. */
function newTopic({ partitions }: Row): string {
  topics += 1;
  return `bench-${topics}-${partitions}`;
}

const keyed = (args: Readonly<Record<string, string | number>>): readonly string[] =>
  Object.entries(args).map(([key, value]) => `${key}=${value}`);
