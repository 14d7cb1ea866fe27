/** What stands in front of every request and every reply, the handshake excepted. */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';

export const operationHeader = record('RequestHeader', { xid: jute.int, type: jute.int });
export type OperationHeader = BodyOf<typeof operationHeader>;

export const replyHeader = record('ReplyHeader', {
  xid: jute.int,
  zxid: jute.long,
  err: jute.int,
});
export type ReplyHeader = BodyOf<typeof replyHeader>;
