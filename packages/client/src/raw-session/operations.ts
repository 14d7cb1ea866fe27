/**
 * The operations a tool may ask a coordination server for: opcode, layout of request and answer, which
 * field of each is a path (and so lies under the chroot), and which watch a success leaves behind.
 * Declared once; the session and its callers take everything else from here. Sessions, auth and the
 * re-registration of watches are the session's own and not in this table.
 */
import {
  addWatchRequest,
  create2Response,
  createRequest,
  createResponse,
  createTtlRequest,
  deleteRequest,
  errorResponse,
  existsRequest,
  existsResponse,
  getAclRequest,
  getAclResponse,
  getAllChildrenNumberRequest,
  getAllChildrenNumberResponse,
  getChildren2Request,
  getChildren2Response,
  getChildrenRequest,
  getChildrenResponse,
  getDataRequest,
  getDataResponse,
  getEphemeralsRequest,
  getEphemeralsResponse,
  type JuteRecord,
  type OpCode,
  opCodes,
  reconfigRequest,
  removeWatchesRequest,
  setAclRequest,
  setAclResponse,
  setDataRequest,
  setDataResponse,
  syncRequest,
  syncResponse,
  whoAmIResponse,
} from '@odradek/protocol';
import type { WatchKind } from './watched-paths.ts';

/** `Body` is what a caller hands in, `Answer` what it gets; null where the wire has nothing. */
export interface Operation<Body, Answer> {
  readonly opCode: OpCode;
  readonly request: JuteRecord<unknown, Body> | null;
  readonly response: JuteRecord<Answer> | null;
  /** The field of the request that is a path. */
  readonly pathField: 'path' | 'prefixPath' | null;
  /** The field of the answer that holds paths of the server. */
  readonly answerField: 'path' | 'ephemerals' | null;
  /** The watch that a success leaves, if the body asks for one. */
  readonly watch: ((body: Body) => WatchKind | null) | null;
  /** The watch that is left although there is no such node. */
  readonly watchWhenMissing: ((body: Body) => WatchKind | null) | null;
}

function operation<Body, Answer>(
  opCode: OpCode,
  request: JuteRecord<unknown, Body> | null,
  response: JuteRecord<Answer> | null,
  rest: Partial<Operation<Body, Answer>> = {},
): Operation<Body, Answer> {
  return {
    opCode,
    request,
    response,
    pathField: 'path',
    answerField: null,
    watch: null,
    watchWhenMissing: null,
    ...rest,
  };
}

const ifWanted =
  (kind: WatchKind) =>
  ({ watch }: { readonly watch: boolean }): WatchKind | null =>
    watch ? kind : null;

export const operations = {
  create: operation(opCodes.create, createRequest, createResponse, { answerField: 'path' }),
  create2: operation(opCodes.create2, createRequest, create2Response, { answerField: 'path' }),
  createContainer: operation(opCodes.createContainer, createRequest, create2Response, {
    answerField: 'path',
  }),
  createTtl: operation(opCodes.createTtl, createTtlRequest, create2Response, {
    answerField: 'path',
  }),
  delete: operation(opCodes.delete, deleteRequest, null),
  exists: operation(opCodes.exists, existsRequest, existsResponse, {
    watch: ifWanted('data'),
    watchWhenMissing: ifWanted('exist'),
  }),
  getData: operation(opCodes.getData, getDataRequest, getDataResponse, { watch: ifWanted('data') }),
  setData: operation(opCodes.setData, setDataRequest, setDataResponse),
  getAcl: operation(opCodes.getAcl, getAclRequest, getAclResponse),
  setAcl: operation(opCodes.setAcl, setAclRequest, setAclResponse),
  getChildren: operation(opCodes.getChildren, getChildrenRequest, getChildrenResponse, {
    watch: ifWanted('child'),
  }),
  getChildren2: operation(opCodes.getChildren2, getChildren2Request, getChildren2Response, {
    watch: ifWanted('child'),
  }),
  sync: operation(opCodes.sync, syncRequest, syncResponse),
  reconfig: operation(opCodes.reconfig, reconfigRequest, getDataResponse, { pathField: null }),
  removeWatches: operation(opCodes.removeWatches, removeWatchesRequest, null),
  checkWatches: operation(opCodes.checkWatches, removeWatchesRequest, null),
  addWatch: operation(opCodes.addWatch, addWatchRequest, errorResponse, {
    watch: ({ mode }) => (mode === 0 ? 'persistent' : 'persistentRecursive'),
  }),
  getEphemerals: operation(opCodes.getEphemerals, getEphemeralsRequest, getEphemeralsResponse, {
    pathField: 'prefixPath',
    answerField: 'ephemerals',
  }),
  getAllChildrenNumber: operation(
    opCodes.getAllChildrenNumber,
    getAllChildrenNumberRequest,
    getAllChildrenNumberResponse,
  ),
  whoAmI: operation(opCodes.whoAmI, null, whoAmIResponse, { pathField: null }),
};
