/**
 * What the connections of a server share.
 */
import type { Environment } from '@odradek/runtime';
import type { Admission } from './admission.ts';
import type { ClientConnection } from './client-connection.ts';
import type { CredentialsParts } from './credentials.ts';
import type { FourLetterWords } from './four-letter-words.ts';
import type { OutboxPool } from './outbox.ts';
import type { Reads } from './reads.ts';
import type { ReplyLimits } from './reply-limits.ts';
import type { ServerStats } from './server-stats.ts';
import type { SessionHost } from './session-host.ts';
import type { SlowReaders } from './slow-readers.ts';
import type { WritePath } from './write-path.ts';

export interface ConnectionParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'log'>;
  readonly outboxes: OutboxPool;
  readonly reads: Reads<ClientConnection>;
  readonly writePath: WritePath;
  readonly sessions: SessionHost;
  readonly admission: Admission;
  readonly stats: ServerStats;
  readonly words: FourLetterWords;
  readonly slowReaders: SlowReaders;
  readonly replyLimits: ReplyLimits;
  /** A connection that has not opened a session by then is closed. */
  readonly handshakeMs: number;
  readonly credentials: CredentialsParts;
  readonly maxFrameBytes: number;
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  /** The connection is gone. */
  closed(connection: ClientConnection): void;
}
