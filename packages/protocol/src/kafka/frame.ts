/**
 * Frames: an int32 size, then that many bytes, which are a header and a body.
 *
 * Encoding yields a list of buffers for the socket, size included, in which big byte fields are the
 * caller's own buffers. Cutting a byte stream into frames is in frame-splitter.ts.
 */
import { MalformedMessage, UnsupportedVersion } from '../errors.ts';
import type { InputOf, Message } from '../schema/api.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import { requestHeader, responseHeader } from './header.ts';
import { type Api, apiByKey } from './registry.ts';

/** Bytes of the size in front of a frame. */
export const FRAME_SIZE_BYTES = 4;

/** Encoding never waits, so one writer serves all connections. */
const scratch = new Writer();

/** A whole request frame, ready for the socket. */
export function encodeRequest<Request extends Message<unknown>>(
  api: Api<Request>,
  version: number,
  correlationId: number,
  clientId: string | null,
  body: InputOf<Request>,
): Buffer[] {
  scratch.begin();
  scratch.int32(0);
  requestHeader.encodeInto(
    scratch,
    { requestApiKey: api.key, requestApiVersion: version, correlationId, clientId },
    api.requestHeaderVersion(version),
  );
  api.request.encodeInto(scratch, body, version);
  return finishFrame();
}

/** A whole response frame, ready for the socket. */
export function encodeResponse<Response extends Message<unknown>>(
  api: Api<Message<unknown>, Response>,
  version: number,
  correlationId: number,
  body: InputOf<Response>,
): Buffer[] {
  scratch.begin();
  scratch.int32(0);
  responseHeader.encodeInto(scratch, { correlationId }, api.responseHeaderVersion(version));
  api.response.encodeInto(scratch, body, version);
  return finishFrame();
}

function finishFrame(): Buffer[] {
  const sizeBytes = scratch.sizeBytes - FRAME_SIZE_BYTES;
  const chunks = scratch.finish();
  chunks[0]?.writeInt32BE(sizeBytes, 0);
  return chunks;
}

export interface DecodedRequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** Where the body begins in the frame. */
  readonly bodyOffset: number;
}

/**
 * Reads the header of a request frame (without its size). A version above those known is read as
 * the newest header, so that an ApiVersions request from the future can be answered.
 * @throws UnsupportedVersion when there is no such api: what follows cannot be read
 * @throws MalformedMessage
 */
export function decodeRequestHeader(frame: Buffer): DecodedRequestHeader {
  if (frame.length < 8) throw new MalformedMessage(`a request of ${frame.length} bytes`);
  const api = apiByKey(frame.readInt16BE(0));
  const apiVersion = frame.readInt16BE(2);
  if (api === undefined || apiVersion < 0) {
    throw new UnsupportedVersion(`no api has key ${frame.readInt16BE(0)}, version ${apiVersion}`);
  }
  const reader = new Reader(frame);
  const header = requestHeader.decodeFrom(reader, api.requestHeaderVersion(apiVersion));
  return {
    apiKey: api.key,
    apiVersion,
    correlationId: header.correlationId,
    clientId: header.clientId,
    bodyOffset: reader.position,
  };
}

export interface DecodedResponseHeader {
  readonly correlationId: number;
  /** Where the body begins in the frame. */
  readonly bodyOffset: number;
}

/** The correlation id of a response frame (without its size): tells which request it answers. */
export function peekCorrelationId(frame: Buffer): number {
  if (frame.length < 4) throw new MalformedMessage(`a response of ${frame.length} bytes`);
  return frame.readInt32BE(0);
}

/** Reads the header of a response frame (without its size) to a request of `api` and `version`. */
export function decodeResponseHeader(
  frame: Buffer,
  api: Api,
  version: number,
): DecodedResponseHeader {
  const reader = new Reader(frame);
  const { correlationId } = responseHeader.decodeFrom(reader, api.responseHeaderVersion(version));
  return { correlationId, bodyOffset: reader.position };
}
