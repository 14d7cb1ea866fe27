/**
 * What the connections of a server share.
 */
import type { Environment } from '@odradek/runtime';
import type { Admission } from './admission.ts';
import type { ClientConnection } from './client-connection.ts';
import type { CredentialsParts } from './credentials.ts';
import type { FourLetterWords } from './four-letter-words.ts';
import type { OutboxPool } from './outbox.ts';
import type { ReplyLimits } from './reply-limits.ts';
import type { ServerStats } from './server-stats.ts';
import type { Doorway } from './serving.ts';
import type { SlowReaders } from './slow-readers.ts';

export interface ConnectionParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'log'>;
  readonly outboxes: OutboxPool;
  readonly doorway: Doorway;
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
