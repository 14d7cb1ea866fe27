/**
 * Errors on their way between threads. A structured clone of an error keeps its message and nothing of
 * its class; this takes it apart before and puts it together again after.
 */
import {
  AddressInUse,
  ConfigError,
  ConnectFailed,
  DirectoryLocked,
  DiskError,
  InvariantViolation,
  ListenFailed,
} from '../errors.ts';
import type { ErrorClass } from '../workers.ts';

/** What of an error can be cloned. */
export interface CarriedError {
  readonly className: string;
  readonly message: string;
  readonly stack: string;
  /** Its own fields: name, code and the like. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause?: CarriedError | { readonly value: string };
}

/** A chain of causes longer than this is cut. */
const CAUSES_MAX = 8;

const ours: readonly ErrorClass[] = [
  AddressInUse,
  ConfigError,
  ConnectFailed,
  DirectoryLocked,
  DiskError,
  InvariantViolation,
  ListenFailed,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
];

/** Functions cannot travel, and what cannot be cloned has to stay behind. */
function canTravel(value: unknown): boolean {
  if (typeof value === 'function' || typeof value === 'symbol') return false;
  if (typeof value !== 'object' || value === null) return true;
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

/** Takes an error apart; whatever else was thrown becomes the message. */
export function takeApart(thrown: unknown, causesMax = CAUSES_MAX): CarriedError {
  if (!(thrown instanceof Error)) {
    return { className: 'Error', message: String(thrown), stack: '', fields: {} };
  }
  const { message, stack = '', cause } = thrown;
  const fields = Object.fromEntries(
    Object.entries(thrown).filter(([name, value]) => name !== 'cause' && canTravel(value)),
  );
  const carried = { className: thrown.constructor.name, message, stack, fields };
  if (cause === undefined || causesMax === 0) return carried;
  const inner = cause instanceof Error ? takeApart(cause, causesMax - 1) : { value: String(cause) };
  return { ...carried, cause: inner };
}

/** Puts an error together again, as one of `classes` or of our own or the language's; a plain one if it was none of these. */
export function putTogether(carried: CarriedError, classes: readonly ErrorClass[] = []): Error {
  const { className, message, stack, fields, cause } = carried;
  const inner =
    cause === undefined
      ? {}
      : { cause: 'value' in cause ? cause.value : putTogether(cause, classes) };
  const error = new Error(message, inner);
  const known = [...classes, ...ours].find(({ name }) => name === className);
  // Not by its constructor, which would make up the message anew from arguments that we do not have.
  if (known !== undefined) Object.setPrototypeOf(error, known.prototype);
  Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true });
  return Object.assign(error, fields);
}
