/**
 * Four-letter words: text instead of a frame as the first four bytes of a connection, answered with
 * text and the end of it. Formats are the original's to the letter, since monitoring reads them.
 */
import type { Log } from '@odradek/runtime';
import {
  bySession,
  type ConnectionInfo,
  type ProposalSizes,
  type ServerInfo,
  VERSION,
} from './server-info.ts';

/** The words, each with what its page says of it. */
export const fourLetterWords = {
  ruok: 'Answers `imok` as long as the process lives.',
  srvr: 'Version, latency, counts, zxid, mode.',
  stat: 'The same with the list of clients.',
  mntr: 'Everything that is counted, a name and a value per line; names begin with `zk_`.',
  conf: 'The configuration that is in effect.',
  isro: 'Whether the server takes writes: `rw`, or `ro`.',
  envi: 'The process and the machine; the `java.` names tell of Node.',
  cons: 'Connections with all that is known of them.',
  crst: 'Forgets the counts of connections.',
  srst: 'Forgets the counts of the server.',
  dump: 'Sessions by the time at which they end, their ephemerals, the connections.',
  wchs: 'How many watch how much.',
  wchc: 'Watched paths by session. Standard and persistent watches of the data table, as in the original.',
  wchp: 'Sessions by watched path.',
  dirs: 'Bytes of the folders of snapshots and logs.',
  hash: 'Digests of the tree, one per 128 zxids; empty unless `digest.enabled=true`.',
  gtmk: 'The trace mask.',
  quor: 'The ensemble as this server sees it, as JSON on one line: who leads, epochs, zxids, votes. Ours.',
  stmk: 'Sets the trace mask to the eight bytes behind the word. It is kept and told; nothing is traced by it.',
} as const;

type Word = keyof typeof fourLetterWords;
const words = Object.keys(fourLetterWords) as readonly Word[];

/** What everything else is answered with while nobody is served. */
const NOT_SERVING = 'This ZooKeeper instance is not currently serving requests';
const answeredAlways: ReadonlySet<string> = new Set(['ruok', 'isro', 'quor']);

const WORD_BYTES = 4;
const MASK_BYTES = 8;

/** Words by the number that their four letters make as a frame length. */
const byNumber = new Map<number, Word>(
  words.map((word) => [Buffer.from(word, 'latin1').readInt32BE(0), word]),
);

export class FourLetterWords {
  readonly #info: ServerInfo;
  readonly #log: Log;
  readonly #allowed: ReadonlySet<string>;

  /** @param allowed the words that are answered; `*` among them stands for all */
  constructor(info: ServerInfo, allowed: readonly string[], log: Log) {
    this.#info = info;
    this.#log = log;
    this.#allowed = new Set(allowed.includes('*') ? words : allowed);
  }

  /** @param number the first four bytes of a connection */
  isWord(number: number): boolean {
    return byNumber.has(number);
  }

  /** Bytes of the word and what belongs to it. */
  sizeOf(number: number): number {
    return byNumber.get(number) === 'stmk' ? WORD_BYTES + MASK_BYTES : WORD_BYTES;
  }

  /** @param bytes a word and what belongs to it; they are read within this call */
  answer(bytes: Buffer): Promise<string> {
    const word = byNumber.get(bytes.readInt32BE(0));
    if (word === undefined) return Promise.resolve('');
    if (!this.#allowed.has(word)) {
      return Promise.resolve(`${word} is not executed because it is not in the whitelist.\n`);
    }
    if (this.#info.mode === null && !answeredAlways.has(word)) {
      const { maintenance } = this.#info;
      return Promise.resolve(`${NOT_SERVING}\n${maintenance === null ? '' : `${maintenance}\n`}`);
    }
    if (word === 'stmk') this.#info.traceMask = bytes.readBigInt64BE(WORD_BYTES);
    return this.#answer(word);
  }

  /** The same; when what it is made of (sizes of folders, say) cannot be had, the log says so. */
  async answerOrNothing(bytes: Buffer): Promise<string> {
    try {
      return await this.answer(bytes);
    } catch (error) {
      this.#log.error('a four-letter word failed', { reason: String(error) });
      return '';
    }
  }

  async #answer(word: Word): Promise<string> {
    const info = this.#info;
    switch (word) {
      case 'ruok':
        return 'imok';
      case 'isro':
        if (info.mode === null) return 'null';
        return info.mode === 'read-only' ? 'ro' : 'rw';
      case 'quor':
        return `${JSON.stringify(info.quorum())}\n`;
      case 'srvr':
        return `Zookeeper version: ${VERSION}\n${this.#readOnlyNote()}${this.#summary()}`;
      case 'stat': {
        const clients = info.connections
          .map((connection) => ` ${describe(connection)})\n`)
          .join('');
        return `Zookeeper version: ${VERSION}\n${this.#readOnlyNote()}Clients:\n${clients}\n${this.#summary()}`;
      }
      case 'cons':
        return `${info.connections.map((connection) => ` ${detail(connection)})\n`).join('')}\n`;
      case 'mntr':
        return (await info.monitored()).map(([name, value]) => `zk_${name}\t${value}\n`).join('');
      case 'conf':
        return `${lines(await info.configuration())}${this.#membership()}`;
      case 'envi':
        return `Environment:\nzookeeper.version=${VERSION}\n${lines(info.environment())}`;
      case 'wchs': {
        const { connectionCount, pathCount, totalCount } = info.watches();
        return `${connectionCount} connections watching ${pathCount} paths\nTotal watches:${totalCount}\n`;
      }
      case 'wchp':
        return `${nested(info.watches().byPath.map(([path, ids]) => [path, ids.map(hex)]))}\n`;
      case 'wchc': {
        const sessions = bySession(info.watches().byPath);
        return `${nested(sessions.map(([id, paths]) => [hex(id), paths]))}\n`;
      }
      case 'dump':
        return this.#dump();
      case 'dirs': {
        const { dataBytes, logBytes } = await info.folderSizes();
        return `datadir_size: ${dataBytes}\nlogdir_size: ${logBytes}\n`;
      }
      case 'hash':
        return info.digests.map(({ zxid, digest }) => `${zxid.toString(16)}: ${digest}\n`).join('');
      case 'gtmk':
      case 'stmk':
        return String(info.traceMask);
      case 'crst':
        for (const { stats } of info.connections) stats.reset();
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
    const global = info.globalSessions();
    const sessionCount = due.reduce((count, { ids }) => count + ids.length, 0);
    const sessions = due.map(
      ({ atMs, ids }) => [expiring(ids.length, atMs), ids.map(hex)] as const,
    );
    const ephemerals = info.ephemerals().map(([id, paths]) => [`${hex(id)}:`, paths] as const);
    const dueConnections = info.dueConnections();
    const connectionCount = dueConnections.reduce(
      (sum, { connections }) => sum + connections.length,
      0,
    );
    const connections = dueConnections.map(({ atMs, connections: own }) => {
      const shown = own.map(({ peer, sessionId }) => `ip: ${peer} sessionId: ${hex(sessionId)}`);
      return [expiring(own.length, atMs), shown] as const;
    });
    return [
      'SessionTracker dump:\n',
      global === null ? '' : knownSessions(global),
      global !== null && due.length === 0
        ? ''
        : `Session Sets (${due.length})/(${sessionCount}):\n${nested(sessions)}`,
      'ephemeral nodes dump:\n',
      `Sessions with Ephemerals (${ephemerals.length}):\n${nested(ephemerals)}`,
      'Connections dump:\n',
      `Connections Sets (${connections.length})/(${connectionCount}):\n${nested(connections)}`,
    ].join('');
  }

  #membership(): string {
    const { ensemble } = this.#info;
    return ensemble === null ? '' : `membership: \n${ensemble.status().ensembleText}`;
  }

  #readOnlyNote(): string {
    const { mode, maintenance } = this.#info;
    if (mode !== 'read-only') return '';
    const why = maintenance === null ? '' : `${maintenance}\n`;
    return `READ-ONLY mode; serving only read-only clients\n${why}`;
  }

  #summary(): string {
    const {
      mode,
      proposalSizes,
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
      `Zxid: ${hex(zxid)}`,
      `Mode: ${mode ?? 'looking'}`,
      `Node count: ${nodeCount}`,
      ...(proposalSizes === null ? [] : [proposalLine(proposalSizes)]),
      '',
    ].join('\n');
  }
}

const proposalLine = ({ last, min, max }: ProposalSizes): string =>
  `Proposal sizes last/min/max: ${last}/${min}/${max}`;

/** As a learner lists them. */
const knownSessions = (sessions: readonly (readonly [id: bigint, timeoutMs: number])[]): string =>
  nested([
    [
      `Global Sessions(${sessions.length}):`,
      sessions.map(([id, timeoutMs]) => `${hex(id)}\t${timeoutMs}ms`),
    ],
  ]);

const lines = (pairs: readonly (readonly [string, string | number])[]): string =>
  pairs.map(([name, value]) => `${name}=${value}\n`).join('');

function describe({ peer, interest, queuedCount, stats }: ConnectionInfo): string {
  return `${peer}[${interest}](queued=${queuedCount},recved=${stats.received},sent=${stats.sent}`;
}

function detail(connection: ConnectionInfo): string {
  const { sessionId, sessionTimeoutMs, stats } = connection;
  if (sessionId === 0n) return describe(connection);
  const { latency } = stats;
  return [
    describe(connection),
    `sid=${hex(sessionId)}`,
    `lop=${stats.lastOperation}`,
    `est=${Math.floor(stats.establishedAtMs)}`,
    `to=${sessionTimeoutMs}`,
    ...(stats.lastXid < 0 ? [] : [`lcxid=0x${stats.lastXid.toString(16)}`]),
    `lzxid=${hex(stats.lastZxid)}`,
    `lresp=${Math.floor(stats.lastResponseAtMs)}`,
    `llat=${Math.floor(stats.lastLatencyMs)}`,
    `minlat=${latency.minMs}`,
    `avglat=${Math.floor(latency.averageMs)}`,
    `maxlat=${latency.maxMs}`,
  ].join(',');
}

const hex = (id: bigint): string => `0x${BigInt.asUintN(64, id).toString(16)}`;

/** Headings with what belongs to them, indented. */
const nested = (
  groups: readonly (readonly [heading: string, lines: readonly string[]])[],
): string =>
  groups
    .map(([heading, own]) => `${heading}\n${own.map((line) => `\t${line}\n`).join('')}`)
    .join('');

const expiring = (count: number, atMs: number): string => `${count} expire at ${javaDate(atMs)}:`;

/** A time as Java prints it: `Fri Nov 20 02:06:25 UTC 2026`. */
function javaDate(atMs: number): string {
  const [, day, date, month, year, time] =
    /^(\w+), (\d+) (\w+) (\d+) ([\d:]+)/.exec(new Date(atMs).toUTCString()) ?? [];
  return `${day} ${month} ${date} ${time} UTC ${year}`;
}
