/**
 * The errors every package shares. One class per way of handling, never one per code.
 * Bugs are InvariantViolation, which is no OdradekError and is never caught.
 */

/** A failure of the world or of a peer. */
export abstract class OdradekError extends Error {
  /** Stable name, for callers and logs. */
  abstract readonly code: string;
  /** The same call may succeed if made again. */
  abstract readonly retriable: boolean;
}

/** A state that cannot be: a bug of ours. Ends the process. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/** Throws InvariantViolation unless `holds`. */
export function invariant(holds: boolean, claim: string): asserts holds {
  if (!holds) throw new InvariantViolation(claim);
}

/** A file operation failed; `cause` has the system's error. */
export class DiskError extends OdradekError {
  override readonly name = 'DiskError';
  readonly retriable = false;
  /** The system's code, such as ENOSPC or EIO. */
  readonly code: string;
  readonly path: string;
  constructor(code: string, path: string, operation: string, options?: ErrorOptions) {
    super(`${operation} failed on ${path}: ${code}`, options);
    this.code = code;
    this.path = path;
  }
}

/** Another process holds the directory. */
export class DirectoryLocked extends OdradekError {
  override readonly name = 'DirectoryLocked';
  readonly code = 'DIRECTORY_LOCKED';
  readonly retriable = false;
  readonly holderPid: number | null;
  constructor(lockFilePath: string, holderPid: number | null) {
    const holder = holderPid === null ? 'another process' : `process ${holderPid}`;
    super(`${lockFilePath} is locked by ${holder}`);
    this.holderPid = holderPid;
  }
}

/** The port to listen on is taken, or may not be bound. */
export class AddressInUse extends OdradekError {
  override readonly name = 'AddressInUse';
  readonly code = 'ADDRESS_IN_USE';
  readonly retriable = false;
  constructor(address: string, options?: ErrorOptions) {
    super(`cannot listen on ${address}: the port is in use by another process`, options);
  }
}

/** The address to listen on cannot be bound for another reason: not ours, not allowed, no such host. */
export class ListenFailed extends OdradekError {
  override readonly name = 'ListenFailed';
  readonly code = 'LISTEN_FAILED';
  readonly retriable = false;
  constructor(address: string, reason: string, options?: ErrorOptions) {
    super(`cannot listen on ${address}: ${reason}`, options);
  }
}

/** No connection came about. */
export class ConnectFailed extends OdradekError {
  override readonly name = 'ConnectFailed';
  readonly code = 'CONNECT_FAILED';
  readonly retriable = true;
  constructor(address: string, reason: string, options?: ErrorOptions) {
    super(`cannot connect to ${address}: ${reason}`, options);
  }
}

/** Certificate, key, versions and ciphers that TLS cannot be spoken with. */
export class UnusableTls extends OdradekError {
  override readonly name = 'UnusableTls';
  readonly code = 'UNUSABLE_TLS';
  readonly retriable = false;
  constructor(reason: string, options?: ErrorOptions) {
    super(`TLS cannot be set up: ${reason}`, options);
  }
}

/** A configuration that cannot be started with. One message, ready to print. */
export class ConfigError extends OdradekError {
  override readonly name = 'ConfigError';
  readonly code = 'CONFIG';
  readonly retriable = false;
}
