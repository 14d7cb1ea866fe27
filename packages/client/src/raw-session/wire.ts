/**
 * Frames of the raw session: what goes out (handshake, requests, the watches of before) and what comes
 * in, as values. The layouts themselves are the protocol package's; order and sockets are the host's.
 */
import {
  authPacket,
  connectRequest,
  type EventType,
  errorResponse,
  eventTypes,
  MalformedMessage,
  multiEnd,
  multiHeader,
  opCodes,
  operationHeader,
  type Reader,
  setWatches2Request,
  setWatchesRequest,
  watcherEvent,
  xids,
  ZooKeeperError,
  type ZooKeeperErrorName,
  zookeeperErrorOf,
} from '@odradek/protocol';
import { MultiFailed } from '../coordinator-session/types.ts';
import type { Operation } from './operations.ts';
import type { WatchedEventType } from './types.ts';
import type { WatchedByKind } from './watched-paths.ts';

export const EVENT_NAMES: Readonly<Record<EventType, WatchedEventType>> = {
  [eventTypes.created]: 'NodeCreated',
  [eventTypes.deleted]: 'NodeDeleted',
  [eventTypes.dataChanged]: 'NodeDataChanged',
  [eventTypes.childrenChanged]: 'NodeChildrenChanged',
};

/** One step of a multi that is no read. */
export interface MultiStep<Body> {
  readonly operation: Operation<Body, unknown>;
  readonly body: Body;
}

export interface Handshake {
  readonly lastZxidSeen: bigint;
  readonly sessionTimeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Buffer;
  readonly canBeReadOnly: boolean;
}

export function handshakeFrame(handshake: Handshake): Buffer {
  return framed([
    connectRequest.encode({
      protocolVersion: 0,
      lastZxidSeen: handshake.lastZxidSeen,
      timeOut: handshake.sessionTimeoutMs,
      sessionId: handshake.sessionId,
      passwd: handshake.password,
      readOnly: handshake.canBeReadOnly,
    }),
  ]);
}

export function requestFrame(xid: number, opCode: number, body: Buffer | null): Buffer {
  const header = operationHeader.encode({ xid, type: opCode });
  return framed(body === null ? [header] : [header, body]);
}

export function authFrame(scheme: string, auth: Buffer | null): Buffer {
  return requestFrame(xids.auth, opCodes.auth, authPacket.encode({ type: 0, scheme, auth }));
}

/** Servers before 3.6 know only the form without persistent watches. */
export function setWatchesFrame(watched: WatchedByKind, relativeZxid: bigint): Buffer {
  const common = {
    relativeZxid,
    dataWatches: [...watched.data],
    existWatches: [...watched.exist],
    childWatches: [...watched.child],
  };
  if (watched.persistent.length === 0 && watched.persistentRecursive.length === 0)
    return requestFrame(xids.setWatches, opCodes.setWatches, setWatchesRequest.encode(common));
  const body = setWatches2Request.encode({
    ...common,
    persistentWatches: [...watched.persistent],
    persistentRecursiveWatches: [...watched.persistentRecursive],
  });
  return requestFrame(xids.setWatches, opCodes.setWatches2, body);
}

export function multiBody<Body>(steps: readonly MultiStep<Body>[]): Buffer {
  const parts = steps.flatMap(({ operation, body }) => [
    multiHeader.encode({ type: operation.opCode, done: false, err: -1 }),
    operation.request?.encode(body) ?? Buffer.alloc(0),
  ]);
  return Buffer.concat([...parts, multiHeader.encode(multiEnd)]);
}

/**
 * Reads the answer to a multi of steps whose results nobody wants.
 * @throws MultiFailed naming the step that failed
 */
export function checkMultiAnswer(reader: Reader): void {
  for (let index = 0; ; index += 1) {
    const { type, done } = multiHeader.decodeFrom(reader);
    // Success is success of all: what the steps gave need not be read.
    if (done || type !== multiEnd.type) return;
    const code = errorNameOf(errorResponse.decodeFrom(reader).err);
    if (code !== null && code !== 'RUNTIME_INCONSISTENCY')
      throw new MultiFailed(code, index, `step ${index} of a multi`);
  }
}

/** @throws MalformedMessage for an event that ZooKeeper does not have */
export function eventOf(reader: Reader): { readonly type: EventType; readonly path: string } {
  const { type, path } = watcherEvent.decodeFrom(reader);
  if (type !== 1 && type !== 2 && type !== 3 && type !== 4)
    throw new MalformedMessage(`an event of type ${type}`);
  return { type, path };
}

/** null for success. A code that nobody declared counts as SYSTEM_ERROR. */
export function errorNameOf(wireError: number): ZooKeeperErrorName | null {
  return wireError === 0 ? null : (zookeeperErrorOf(wireError) ?? 'SYSTEM_ERROR');
}

export function failureOf(code: ZooKeeperErrorName, path: string | null): ZooKeeperError {
  return new ZooKeeperError(code, path ?? undefined);
}

function framed(parts: readonly Buffer[]): Buffer {
  const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0);
  const length = Buffer.allocUnsafe(4);
  length.writeInt32BE(sizeBytes);
  return Buffer.concat([length, ...parts]);
}
