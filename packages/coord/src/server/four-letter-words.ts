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
    received: number;
    sent: number;
    readonly latency: LatencyStats;
  };
}

/** Sessions that are due at the same time, if nothing is heard of them. */
export interface DueSessions {
  /** Wall clock. */
  readonly atMs: number;
  readonly ids: readonly bigint[];
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
  /** Watches of the data table, as the original counts them. */
  watches(): {
    readonly connectionCount: number;
    readonly pathCount: number;
    readonly totalCount: number;
    /** Paths, each with the sessions that watch it. */
    readonly byPath: readonly (readonly [path: string, sessionIds: readonly bigint[]])[];
  };
  /** In the order of their times. */
  dueSessions(): readonly DueSessions[];
  ephemerals(): readonly (readonly [sessionId: bigint, paths: readonly string[]])[];
  folderSizes(): Promise<{ readonly dataBytes: number; readonly logBytes: number }>;
  /** Forgets counts and times of the server. */
  resetStats(): void;
}

const words = [
  'ruok',
  'srvr',
  'stat',
  'mntr',
  'conf',
  'isro',
  'envi',
  'cons',
  'dirs',
  'dump',
  'wchs',
  'wchc',
  'wchp',
  'crst',
  'srst',
] as const;
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
      case 'wchp':
        return `${nested(info.watches().byPath.map(([path, ids]) => [path, ids.map(hex)]))}\n`;
      case 'wchc':
        return `${nested(bySession(info.watches().byPath))}\n`;
      case 'dump':
        return this.#dump();
      case 'dirs': {
        const { dataBytes, logBytes } = await info.folderSizes();
        return `datadir_size: ${dataBytes}\nlogdir_size: ${logBytes}\n`;
      }
      case 'crst':
        for (const { stats } of info.connections) {
          stats.received = 0;
          stats.sent = 0;
          stats.latency.reset();
        }
        return 'Connection stats reset.\n';
      case 'srst':
        info.resetStats();
        return 'Server stats reset.\n';
    }
  }

  /** Sessions by the time they are due, their ephemerals, their connections. */
  #dump(): string {
    const info = this.#info;
    const due = info.dueSessions();
    const sessionCount = due.reduce((count, { ids }) => count + ids.length, 0);
    const sessions = due.map(
      ({ atMs, ids }) => [expiring(ids.length, atMs), ids.map(hex)] as const,
    );
    const ephemerals = info.ephemerals().map(([id, paths]) => [`${hex(id)}:`, paths] as const);
    const open = info.connections.filter(({ sessionId }) => sessionId !== 0n);
    const connections = due
      .map(({ atMs, ids }) => ({ atMs, own: open.filter((one) => ids.includes(one.sessionId)) }))
      .filter(({ own }) => own.length > 0)
      .map(({ atMs, own }) => {
        const shown = own.map(({ peer, sessionId }) => `ip: ${peer} sessionId: ${hex(sessionId)}`);
        return [expiring(own.length, atMs), shown] as const;
      });
    return [
      'SessionTracker dump:\n',
      `Session Sets (${due.length})/(${sessionCount}):\n${nested(sessions)}`,
      'ephemeral nodes dump:\n',
      `Sessions with Ephemerals (${ephemerals.length}):\n${nested(ephemerals)}`,
      'Connections dump:\n',
      `Connections Sets (${connections.length})/(${open.length}):\n${nested(connections)}`,
    ].join('');
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
  return `${describe(connection)},sid=${hex(sessionId)},minlat=${latency.minMs},avglat=${latency.average},maxlat=${latency.maxMs}`;
}

const hex = (id: bigint): string => `0x${BigInt.asUintN(64, id).toString(16)}`;

/** Headings with what belongs to them, indented. */
const nested = (
  groups: readonly (readonly [heading: string, lines: readonly string[]])[],
): string =>
  groups
    .map(([heading, own]) => `${heading}\n${own.map((line) => `\t${line}\n`).join('')}`)
    .join('');

function bySession(
  byPath: readonly (readonly [string, readonly bigint[]])[],
): readonly (readonly [string, readonly string[]])[] {
  const paths = new Map<bigint, string[]>();
  for (const [path, ids] of byPath) {
    for (const id of ids) {
      const own = paths.get(id);
      if (own === undefined) paths.set(id, [path]);
      else own.push(path);
    }
  }
  return [...paths].map(([id, own]) => [hex(id), own]);
}

const expiring = (count: number, atMs: number): string => `${count} expire at ${javaDate(atMs)}:`;

/** A time as Java prints it: `Fri Nov 20 02:06:25 UTC 2026`. */
function javaDate(atMs: number): string {
  const [, day, date, month, year, time] =
    /^(\w+), (\d+) (\w+) (\d+) ([\d:]+)/.exec(new Date(atMs).toUTCString()) ?? [];
  return `${day} ${month} ${date} ${time} UTC ${year}`;
}
