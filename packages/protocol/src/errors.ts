/**
 * The errors of the wire formats themselves. One class per way of handling: bytes that cannot be
 * what they claim to be, a version nobody declared, a value that has no encoding. The error codes
 * that travel inside messages are tables of their own: kafka/errors.ts and zookeeper/errors.ts.
 */

/** A failure of a wire format or of a peer that speaks it. */
export abstract class ProtocolError extends Error {
  /** Stable name, for callers and logs. */
  abstract readonly code: string;
  /** The same request may succeed if sent again. */
  abstract readonly retriable: boolean;
}

/** Bytes that are cut short, contradict themselves, or go on after the end of the message. */
export class MalformedMessage extends ProtocolError {
  override readonly name = 'MalformedMessage';
  readonly code = 'MALFORMED_MESSAGE';
  readonly retriable = false;
}

/** A message kind or version that is not declared here. */
export class UnsupportedVersion extends ProtocolError {
  override readonly name = 'UnsupportedVersion';
  readonly code = 'UNSUPPORTED_VERSION';
  readonly retriable = false;
}

/**
 * A value that the chosen version cannot carry: out of range, null where null is not allowed, too
 * long, or a field that this version lacks and that must not be dropped silently.
 */
export class UnencodableValue extends ProtocolError {
  override readonly name = 'UnencodableValue';
  readonly code = 'UNENCODABLE_VALUE';
  readonly retriable = false;
}
