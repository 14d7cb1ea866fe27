/**
 * multi (14) and multiRead (22): a row of operations, each behind a header, up to an end mark.
 * Requests and answers are framed alike; what stands behind each header is the operation's own
 * record, or an ErrorResponse behind a header of type -1.
 */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';
import { ERROR_OP } from '../op-codes.ts';

export const multiHeader = record('MultiHeader', {
  type: jute.int,
  /** Set only in the end mark. */
  done: jute.bool,
  err: jute.int,
});
export type MultiHeader = BodyOf<typeof multiHeader>;

/** What ends the row, either way. */
export const multiEnd: MultiHeader = { type: ERROR_OP, done: true, err: -1 };

/** A failure inside a multi's answer; also the whole answer to addWatch. */
export const errorResponse = record('ErrorResponse', { err: jute.int });
export type ErrorResponse = BodyOf<typeof errorResponse>;
