/**
 * The outside world as a few small ports. Everything that touches clock, chance, sockets, files or
 * the log is handed these; `node/` implements them over Node, a simulated world implements them
 * with virtual time and faults. Nothing here copies a buffer without need.
 */
import type { Log } from './log.ts';
import type { Clock, Timers } from './time.ts';
import type { TlsVersions } from './tls/cipher-suites.ts';
import type { TlsIdentity } from './tls/key-store.ts';
import type { Workers } from './workers.ts';

export interface Random {
  /** Unpredictable bytes. */
  bytes(sizeBytes: number): Buffer;
  /** A uniformly chosen integer in [0, limit); `limit` is an integer from 1 to 2^48 - 1. */
  below(limit: number): number;
}

/** What both sides of a TLS connection say. Certificates are PEM; key stores are opened elsewhere. */
interface TlsTerms {
  /** The authorities that are believed; null: those that the operating environment believes. */
  readonly authorities: readonly string[] | null;
  readonly versions: TlsVersions;
  /** Suites in OpenSSL's names, the preferred one first; null: a sound choice of the environment. */
  readonly ciphers: readonly string[] | null;
}

/** How a listener speaks TLS. */
export interface ServerTls extends TlsTerms {
  readonly identity: TlsIdentity;
  /**
   * Whether clients must show a certificate. One that is shown must be right, except with `none`,
   * where nobody is asked for it.
   */
  readonly clientAuthentication: 'none' | 'want' | 'need';
  /** Connections that do not begin with a TLS handshake are taken as plain ones. */
  readonly alsoPlain: boolean;
  /** Who has not finished the handshake by then is cut off. */
  readonly handshakeMsMax: number;
  /** Handshakes that one address may have going on at once, while no connection has come of them. */
  readonly handshakesPerAddressMax: number;
}

/** How a connection is made over TLS. */
export interface ClientTls extends TlsTerms {
  /** null: nothing is shown to the server. */
  readonly identity: TlsIdentity | null;
  /** Whether the server's certificate must be made out to the host that is connected to. */
  readonly verifyHostName: boolean;
}

/** What a handshake came to. */
export interface TlsSession {
  /** Such as TLSv1.3. */
  readonly version: string;
  /** The certificate (DER) that the peer showed and that was found right; null: it showed none. */
  readonly peerCertificate: Buffer | null;
}

/** One established byte stream. All calls are safe after it closed; they then do nothing. */
export interface Connection {
  /** IP address of the peer, without brackets. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The local port, for logs and for telling listeners apart. */
  readonly localPort: number;
  /** Present on a connection over TLS. */
  readonly tls?: TlsSession;
  /** Bytes accepted by `write` that the operating system has not taken yet. */
  readonly unsentBytes: number;
  /**
   * Queues bytes; they must not change before `taken`.
   * @param taken called once the operating system has these bytes, and all before them, or never
   *   will; an implementation that keeps the bytes for longer does not call it at all
   * @returns false when the peer reads slower than we write: hold back until `drain`
   */
  write(bytes: Uint8Array, taken?: () => void): boolean;
  /** Between `cork` and `uncork`, writes are gathered into one system call. */
  cork(): void;
  uncork(): void;
  /**
   * Stops and restarts `data`; a paused connection pushes back on its peer, and does not notice that
   * the peer has ended or gone.
   */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes our side. */
  end(): void;
  /** Closes at once and drops what is queued. */
  destroy(): void;
}

/** What happens on a connection, called in order; never re-entrantly from a call on that connection. */
export interface ConnectionHandler {
  /**
   * Bytes arrived. They are there during the call only, for the next ones are received into the same
   * memory: copy what is kept.
   */
  data(chunk: Buffer): void;
  /**
   * Asked after each receipt: where the next bytes should lie, if the receiver knows a place, such
   * as the rest of a frame that has begun. The network may follow it and tell `filled`, or deliver
   * those bytes through `data` all the same. The place must stay the receiver's until it is filled
   * or the connection has closed.
   */
  room?(): Buffer | null;
  /** The next bytes were received into the front of what `room` returned last. */
  filled?(sizeBytes: number): void;
  /** The send queue is empty again after `write` returned false. */
  drain?(): void;
  /** The peer sent its last byte; without this handler our side is ended too. */
  end?(): void;
  /** The last call: the connection is gone. `error` says why, if something failed. */
  close(error?: Error): void;
}

export interface Listener {
  readonly host: string;
  /** The port really bound: of interest when 0 was asked for. */
  readonly port: number;
  /** Stops accepting; established connections stay. */
  close(): Promise<void>;
  /**
   * New handshakes go by this, established connections stay; for a listener that speaks TLS.
   * Who must show a certificate does not change with it.
   * @throws UnusableTls
   */
  renewTls?(tls: ServerTls): void;
}

export interface Network {
  /**
   * @param address `host` null or '' for all interfaces; `port` 0 for any free one. With `tls`,
   *   `accept` hears of a connection once its handshake is done.
   * @throws AddressInUse when another socket holds the port
   * @throws UnusableTls when certificates, versions and ciphers do not go together
   */
  listen(
    address: { readonly host: string | null; readonly port: number; readonly tls?: ServerTls },
    accept: (connection: Connection) => ConnectionHandler,
  ): Promise<Listener>;
  /**
   * Resolves once the connection is established, the TLS handshake included; `data` cannot come
   * before that. With TLS 1.3 the server judges our certificate only afterwards, and says no by closing.
   * @throws ConnectFailed (with the reason as `cause`) when refused, unreachable, or after `timeoutMs`
   * @throws UnusableTls when certificates, versions and ciphers do not go together
   */
  connect(
    address: {
      readonly host: string;
      readonly port: number;
      readonly timeoutMs: number;
      readonly tls?: ClientTls;
    },
    attach: (connection: Connection) => ConnectionHandler,
  ): Promise<Connection>;
}

/** An open file. Positions are absolute; there is no cursor. Failures reject with DiskError. */
export interface DiskFile {
  readonly path: string;
  sizeBytes(): Promise<number>;
  /**
   * Writes all buffers one after the other from `position` on, vectored; resolves when the OS has them,
   * and for a file opened as `durable` once the medium has them.
   */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** Fills `target` from `position`; returns the bytes read: fewer only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Forces data (and the size) to the medium: fdatasync. */
  sync(): Promise<void>;
  /** Cuts or extends (with zeros) to exactly this size. */
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'other';
}

export interface FileStatus {
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** What `survey` tells of one thing in a folder. */
export interface SurveyedEntry extends DirectoryEntry, FileStatus {
  readonly kind: DirectoryEntry['kind'];
}

/** A stretch of a file. */
export interface FilePiece {
  readonly path: string;
  /** From 0 on. */
  readonly position: number;
  /** Where the file ends before that, the piece does. */
  readonly sizeBytes: number;
}

/** Room on the volume that holds a folder. */
export interface DiskSpace {
  readonly totalBytes: number;
  /** What this process may still write. */
  readonly usableBytes: number;
}

export type DiskMode = 'read' | 'write' | 'create' | 'durable';

/** Failures reject with DiskError; a path that is not there is `null` or a no-op where said so. */
export interface Disk {
  /**
   * `read`: must exist. `write`: read and write, created when missing. `create`: read and write, must not exist.
   * `durable`: as `write`, but each `write` is made durable by itself, as if `sync` had followed it: where the
   * system can (Linux) in one call, which saves whoever waits the second.
   */
  open(path: string, mode: DiskMode): Promise<DiskFile>;
  /** The whole content, or null when there is no such file. For small files. */
  readFile(path: string): Promise<Buffer | null>;
  /** Replaces a file so that a crash leaves the old or the new content: `<path>.tmp`, sync, rename, sync of the folder. */
  replaceFile(path: string, content: Uint8Array | string): Promise<void>;
  /** null when there is nothing there. */
  status(path: string): Promise<FileStatus | null>;
  /** Sorted by name; empty when the folder is not there. */
  list(path: string): Promise<readonly DirectoryEntry[]>;
  /**
   * As `list`, with the status of everything. Meant for starts, with `readPieces`: both go through thousands
   * of small files quickly and may keep the caller's thread to themselves while one call runs. Before a survey
   * others have their turn.
   */
  survey(path: string): Promise<readonly SurveyedEntry[]>;
  /** Small stretches of many files, in the order asked for; each file is opened and closed for it, and must be there. */
  readPieces(pieces: readonly FilePiece[]): Promise<readonly Buffer[]>;
  /** With its parents; fine when it is there. */
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A file, or a folder with all that is in it; fine when it is not there. */
  remove(path: string): Promise<void>;
  setModifiedTime(path: string, atMs: number): Promise<void>;
  /** Of the volume that `path`, which must be there, lies on. */
  space(path: string): Promise<DiskSpace>;
  /** Makes renames, creations and removals in this folder durable. */
  syncDirectory(path: string): Promise<void>;
  /**
   * Takes a folder for this process with a lock file; the lock dies with the process, however it dies.
   * @throws DirectoryLocked naming the holder's process id when it is known
   */
  lock(lockFilePath: string): Promise<{ release(): Promise<void> }>;
}

export interface Environment {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly network: Network;
  readonly disk: Disk;
  readonly workers: Workers;
  readonly log: Log;
}
