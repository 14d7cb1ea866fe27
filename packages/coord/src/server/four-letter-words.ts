/**
 * Four-letter words: text instead of a frame as the first four bytes of a connection, answered with
 * text and the end of it. Formats are the original's to the letter, since monitoring reads them.
 */
import type { LatencyStats } from './server-stats.ts';

/** Clients and agents switch on this: it says which ZooKeeper we answer like. */
export const VERSION = '3.9.5-odradek-0.1.0, built on 2026-11-20 00:00 UTC';

/** One connection as `stat` and `cons` show it. */
export interface ConnectionInfo {
  readonly peer: string;
  readonly isReading: boolean;
  readonly queuedCount: number;
  readonly sessionId: bigint;
  readonly stats: {
    readonly received: number;
    readonly sent: number;
    readonly latency: LatencyStats;
  };
}

/** What the words are answered from. */
export interface ServerInfo {
  readonly packetsReceived: number;
  readonly packetsSent: number;
  readonly latency: LatencyStats;
  readonly outstandingCount: number;
  readonly zxid: bigint;
  readonly nodeCount: number;
  readonly connections: readonly ConnectionInfo[];
  /** Words of `mntr` with their values, in order, without the `zk_` in front. */
  monitored(): Promise<readonly (readonly [name: string, value: string | number])[]>;
  /** Lines of `conf`. */
  configuration(): Promise<readonly (readonly [name: string, value: string | number])[]>;
  /** Lines of `envi`. */
  environment(): readonly (readonly [name: string, value: string])[];
  watches(): {
    readonly connectionCount: number;
    readonly pathCount: number;
    readonly totalCount: number;
  };
}

const words = ['ruok', 'srvr', 'stat', 'mntr', 'conf', 'isro', 'envi', 'cons', 'wchs'] as const;
type Word = (typeof words)[number];

/** Words by the number that their four letters make as a frame length. */
const byNumber = new Map<number, Word>(
  words.map((word) => [Buffer.from(word, 'latin1').readInt32BE(0), word]),
);

export class FourLetterWords {
  readonly #info: ServerInfo;
  readonly #allowed: ReadonlySet<string>;

  /** @param allowed the words that are answered; `*` among them stands for all */
  constructor(info: ServerInfo, allowed: readonly string[]) {
    this.#info = info;
    this.#allowed = new Set(allowed.includes('*') ? words : allowed);
  }

  /** @param number the first four bytes of a connection */
  isWord(number: number): boolean {
    return byNumber.has(number);
  }

  /** @param number of a word */
  answer(number: number): Promise<string> {
    const word = byNumber.get(number);
    if (word === undefined) return Promise.resolve('');
    if (!this.#allowed.has(word)) {
      return Promise.resolve(`${word} is not executed because it is not in the whitelist.\n`);
    }
    return this.#answer(word);
  }

  async #answer(word: Word): Promise<string> {
    const info = this.#info;
    switch (word) {
      case 'ruok':
        return 'imok';
      case 'isro':
        return 'rw';
      case 'srvr':
        return `Zookeeper version: ${VERSION}\n${this.#summary()}`;
      case 'stat': {
        const clients = info.connections
          .map((connection) => ` ${describe(connection)})\n`)
          .join('');
        return `Zookeeper version: ${VERSION}\nClients:\n${clients}\n${this.#summary()}`;
      }
      case 'cons':
        return `${info.connections.map((connection) => ` ${detail(connection)})\n`).join('')}\n`;
      case 'mntr':
        return (await info.monitored()).map(([name, value]) => `zk_${name}\t${value}\n`).join('');
      case 'conf':
        return lines(await info.configuration());
      case 'envi':
        return `Environment:\nzookeeper.version=${VERSION}\n${lines(info.environment())}`;
      case 'wchs': {
        const { connectionCount, pathCount, totalCount } = info.watches();
        return `${connectionCount} connections watching ${pathCount} paths\nTotal watches:${totalCount}\n`;
      }
    }
  }

  #summary(): string {
    const {
      latency,
      packetsReceived,
      packetsSent,
      connections,
      outstandingCount,
      zxid,
      nodeCount,
    } = this.#info;
    return [
      `Latency min/avg/max: ${latency.minMs}/${latency.average}/${latency.maxMs}`,
      `Received: ${packetsReceived}`,
      `Sent: ${packetsSent}`,
      `Connections: ${connections.length}`,
      `Outstanding: ${outstandingCount}`,
      `Zxid: 0x${zxid.toString(16)}`,
      'Mode: standalone',
      `Node count: ${nodeCount}`,
      '',
    ].join('\n');
  }
}

const lines = (pairs: readonly (readonly [string, string | number])[]): string =>
  pairs.map(([name, value]) => `${name}=${value}\n`).join('');

function describe({ peer, isReading, queuedCount, stats }: ConnectionInfo): string {
  const counts = `queued=${queuedCount},recved=${stats.received},sent=${stats.sent}`;
  return `${peer}[${isReading ? 1 : 0}](${counts}`;
}

function detail(connection: ConnectionInfo): string {
  const { sessionId, stats } = connection;
  if (sessionId === 0n) return describe(connection);
  const { latency } = stats;
  const id = `0x${BigInt.asUintN(64, sessionId).toString(16)}`;
  return `${describe(connection)},sid=${id},minlat=${latency.minMs},avglat=${latency.average},maxlat=${latency.maxMs}`;
}
