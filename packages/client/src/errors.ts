/**
 * Failures the client itself notices. What a broker answers is a KafkaError, what the coordinator
 * answers a ZooKeeperError; all have `code` and `retriable`.
 */
import { OdradekError } from '@odradek/runtime';

/** The connection went away with this request unanswered: whether it was carried out is unknown. */
export class ConnectionClosed extends OdradekError {
  override readonly name = 'ConnectionClosed';
  readonly code = 'CONNECTION_CLOSED';
  readonly retriable = true;
}

/** No answer in time: whether it was carried out is unknown. */
export class RequestTimedOut extends OdradekError {
  override readonly name = 'RequestTimedOut';
  readonly code = 'REQUEST_TIMED_OUT';
  readonly retriable = true;
}

/** A named limit of the client is reached; nothing was sent. */
export class LimitReached extends OdradekError {
  override readonly name = 'LimitReached';
  readonly code = 'LIMIT_REACHED';
  readonly retriable = true;
}

/** The call makes no sense: a wrong argument, or a client that was closed. */
export class ClientMisuse extends OdradekError {
  override readonly name = 'ClientMisuse';
  readonly code = 'CLIENT_MISUSE';
  readonly retriable = false;
}

/** Tells whether the same call may succeed if made again. */
export function isRetriable(error: unknown): boolean {
  return (
    error instanceof Error &&
    'retriable' in error &&
    typeof error.retriable === 'boolean' &&
    error.retriable
  );
}
