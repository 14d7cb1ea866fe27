/**
 * The handshake: the first frame each way, without a header.
 *
 * Clients before 3.4, and some to this day, leave out the last byte of the request and must not get
 * it in the answer; so there are two layouts each.
 */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';
import type { Reader } from '../../wire/reader.ts';

const oldRequestFields = {
  protocolVersion: jute.int,
  lastZxidSeen: jute.long,
  /** Wish, in ms. */
  timeOut: jute.int,
  /** 0 for a new session. */
  sessionId: jute.long,
  passwd: jute.nullableBuffer,
} as const;

const oldResponseFields = {
  protocolVersion: jute.int,
  /** As negotiated, in ms; 0 says that the session has expired. */
  timeOut: jute.int,
  sessionId: jute.long,
  passwd: jute.buffer,
} as const;

export const oldConnectRequest = record('ConnectRequest', oldRequestFields);
export const connectRequest = record('ConnectRequest', {
  ...oldRequestFields,
  readOnly: jute.bool,
});
export type ConnectRequest = BodyOf<typeof connectRequest>;

export const oldConnectResponse = record('ConnectResponse', oldResponseFields);
export const connectResponse = record('ConnectResponse', {
  ...oldResponseFields,
  readOnly: jute.bool,
});
export type ConnectResponse = BodyOf<typeof connectResponse>;

/**
 * Reads a handshake of either layout.
 * @returns the request, and whether the client knows of the read-only byte
 * @throws MalformedMessage
 */
export function decodeConnectRequest(reader: Reader): {
  readonly request: ConnectRequest;
  readonly knowsReadOnly: boolean;
} {
  const old = oldConnectRequest.decodeFrom(reader);
  const knowsReadOnly = reader.remaining > 0;
  return { request: { ...old, readOnly: knowsReadOnly && reader.bool() }, knowsReadOnly };
}
