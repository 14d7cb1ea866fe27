/**
 * The server's bounds. Those that operators set come from zoo.cfg; the others are here, each with
 * its unit, so that nothing a client does grows without end.
 */

/** One connection may hold this many watches; beyond it the connection is closed. */
export const WATCHES_PER_CONNECTION_MAX = 1_000_000;

/**
 * Replies and notifications that a connection does not read pile up to this many bytes; beyond it
 * the connection is closed. Replies alone never get so far: a connection whose peer does not read is
 * not read either.
 */
export const UNSENT_BYTES_MAX = 64 * 1024 * 1024;

/** The same of all connections together that have more than SLOW_READER_BYTES each. */
export const UNSENT_BYTES_TOTAL_MAX = 512 * 1024 * 1024;

/** A connection with fewer unread bytes is not looked at. */
export const SLOW_READER_BYTES = 64 * 1024;

/**
 * A client that comes back sets all its watches again with requests that may be longer than others:
 * older clients put them all into one, and would be locked out for ever by a limit that is made for
 * data (ZOOKEEPER-706).
 */
export const SET_WATCHES_BYTES_MAX = 64 * 1024 * 1024;

/** The results of one multiRead: many small questions can have long answers. */
export const MULTI_READ_BYTES_MAX = 64 * 1024 * 1024;

/** Request bytes that wait for the log or behind a write, of all connections together, before reading stops. */
export const OUTSTANDING_BYTES_MAX = 64 * 1024 * 1024;

/** A connection that has not opened a session by then is closed. */
export const HANDSHAKE_MS_MAX = 10_000;

/** A connection that we have ended is cut when its peer does not close its side within this time. */
export const LINGER_MS_MAX = 5_000;

/** Once replies of this many bytes are gathered they are handed to the socket within the turn. */
export const FLUSH_BYTES = 64 * 1024;

/** Writers with their slabs that are kept for the next connections that have something to say. */
export const IDLE_WRITERS_MAX = 64;

/** Clients that may wait for their sessions while a leader is looked for. */
export const HELD_CONNECTIONS_MAX = 10_000;

/** So long each of them waits at most. */
export const HELD_MS_MAX = 1_000;

/** After so much time without a leader nobody waits any more: elections take less, maintenance takes longer. */
export const HOLDING_MS_MAX = 3_000;

/** The longest request that a member of an ensemble takes, whatever is configured: its record has to fit a message between servers. */
export const ENSEMBLE_REQUEST_BYTES_MAX = 64 * 1024 * 1024;

/** Bytes of proposals that are not committed, and bytes for the leader that the network has not taken, before reading stops. */
export const UNREPLICATED_BYTES_MAX = 32 * 1024 * 1024;

/** A server shows what it has, where that is allowed, after at least so much time without a leader. */
export const READ_ONLY_AFTER_MS_MIN = 2_000;
