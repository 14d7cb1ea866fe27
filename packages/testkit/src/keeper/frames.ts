/**
 * Requests of the simulated clients as bytes, and answers as values.
 */
import {
  addWatchRequest,
  create2Response,
  createRequest,
  createResponse,
  deleteRequest,
  errorResponse,
  existsResponse,
  getChildren2Response,
  getDataRequest,
  getDataResponse,
  multiEnd,
  multiHeader,
  opCodes,
  type Reader,
  setDataRequest,
  setDataResponse,
  setWatches2Request,
  syncRequest,
  type WireStat,
  Writer,
  xids,
} from '@odradek/protocol';
import type { KeeperAnswer, KeeperRequest, NodeWrite, SeenStat } from './history.ts';

const openAcl = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];
const checkRequest = deleteRequest; // Of the same layout: a path and a version.

/** Writes take a zxid of their own. */
export function isWrite({ kind }: KeeperRequest): boolean {
  return ['create', 'delete', 'setData', 'multi', 'closeSession'].includes(kind);
}

function encodeNodeWrite(write: NodeWrite): readonly [number, Buffer] {
  switch (write.kind) {
    case 'create': {
      const { path, data, flags } = write;
      const body = { path, data: Buffer.from(data), acl: openAcl, flags };
      return [opCodes.create2, createRequest.encode(body)];
    }
    case 'delete':
      return [opCodes.delete, deleteRequest.encode(write)];
    case 'setData': {
      const { path, data, version } = write;
      return [opCodes.setData, setDataRequest.encode({ path, data: Buffer.from(data), version })];
    }
    case 'check':
      return [opCodes.check, checkRequest.encode(write)];
  }
}

function encodeBody(request: KeeperRequest): readonly [number, Buffer] {
  switch (request.kind) {
    case 'create':
    case 'delete':
    case 'setData':
    case 'check':
      return encodeNodeWrite(request);
    case 'multi': {
      const parts = request.operations.flatMap((operation) => {
        const [type, body] = encodeNodeWrite(operation);
        return [multiHeader.encode({ type, done: false, err: -1 }), body];
      });
      return [opCodes.multi, Buffer.concat([...parts, multiHeader.encode(multiEnd)])];
    }
    case 'getData':
      return [opCodes.getData, getDataRequest.encode(request)];
    case 'exists':
      return [opCodes.exists, getDataRequest.encode(request)];
    case 'getChildren':
      return [opCodes.getChildren2, getDataRequest.encode(request)];
    case 'sync':
      return [opCodes.sync, syncRequest.encode(request)];
    case 'addWatch': {
      const mode = request.mode === 'persistent' ? 0 : 1;
      return [opCodes.addWatch, addWatchRequest.encode({ path: request.path, mode })];
    }
    case 'setWatches': {
      const { relativeZxid, data, exist, child, persistent, recursive } = request;
      const body = {
        relativeZxid,
        dataWatches: [...data],
        existWatches: [...exist],
        childWatches: [...child],
        persistentWatches: [...persistent],
        persistentRecursiveWatches: [...recursive],
      };
      return [opCodes.setWatches2, setWatches2Request.encode(body)];
    }
    case 'closeSession':
      return [opCodes.closeSession, Buffer.alloc(0)];
  }
}

/** A whole frame. */
export function encodeRequest(xid: number, request: KeeperRequest): Buffer {
  const [type, body] = encodeBody(request);
  return frameOf(request.kind === 'setWatches' ? xids.setWatches : xid, type, body);
}

export const pingFrame = (): Buffer => frameOf(xids.ping, opCodes.ping, Buffer.alloc(0));

function frameOf(xid: number, type: number, body: Buffer): Buffer {
  const writer = new Writer();
  writer.int32(8 + body.length);
  writer.int32(xid);
  writer.int32(type);
  writer.copy(body);
  return writer.finishWhole();
}

const seen = (stat: WireStat): SeenStat => ({
  czxid: stat.czxid,
  mzxid: stat.mzxid,
  pzxid: stat.pzxid,
  version: stat.version,
  cversion: stat.cversion,
  ephemeralOwner: stat.ephemeralOwner,
  numChildren: stat.numChildren,
});

/** @param body behind the reply header */
export function decodeAnswer(
  request: KeeperRequest,
  zxid: bigint,
  err: number,
  body: Reader,
): KeeperAnswer {
  if (request.kind === 'multi') return decodeMulti(zxid, err, body);
  if (err !== 0) return { zxid, err };
  switch (request.kind) {
    case 'create': {
      const { path, stat } = create2Response.decodeFrom(body);
      return { zxid, err, path, stat: seen(stat) };
    }
    case 'setData':
      return { zxid, err, stat: seen(setDataResponse.decodeFrom(body).stat) };
    case 'getData': {
      const { data, stat } = getDataResponse.decodeFrom(body);
      return { zxid, err, data: data?.toString() ?? '', stat: seen(stat) };
    }
    case 'exists':
      return { zxid, err, stat: seen(existsResponse.decodeFrom(body).stat) };
    case 'getChildren': {
      const { children, stat } = getChildren2Response.decodeFrom(body);
      return { zxid, err, children, stat: seen(stat) };
    }
    default:
      return { zxid, err };
  }
}

function decodeMulti(zxid: bigint, err: number, body: Reader): KeeperAnswer {
  const results: number[] = [];
  if (err !== 0) return { zxid, err, results };
  for (let header = multiHeader.decodeFrom(body); !header.done; ) {
    switch (header.type) {
      case opCodes.create:
        createResponse.decodeFrom(body);
        break;
      case opCodes.create2:
        create2Response.decodeFrom(body);
        break;
      case opCodes.setData:
        setDataResponse.decodeFrom(body);
        break;
      case -1:
        results.push(errorResponse.decodeFrom(body).err);
        break;
    }
    if (header.type !== -1) results.push(0);
    header = multiHeader.decodeFrom(body);
  }
  return { zxid, err, results };
}
