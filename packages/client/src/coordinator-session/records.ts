/**
 * Between our values and the library's Jute records: requests out of arguments, Stat and multi
 * results out of replies, wire numbers into ZooKeeperError. Pure, and no order or state here.
 */
import { ZooKeeperError, type ZooKeeperErrorName, zookeeperErrorOf } from '@odradek/protocol';
import jute, {
  type AclRecord,
  type MultiOperationRecord,
  type MultiResultRecord,
  type RequestRecord,
  type ResponseRecord,
  type StatRecord,
} from 'node-zookeeper-client/lib/jute/index.js';
import { underChroot, withoutChroot } from './connect-string.ts';
import { OP_CODES } from './library-session.ts';
import {
  type CreateOptions,
  MultiFailed,
  type MultiOperation,
  type MultiResult,
  type Stat,
} from './types.ts';

/** Servers refuse frames above 1 MiB (jute.maxbuffer) by closing the connection: refuse before. */
const DATA_BYTES_MAX = 1_048_576 - 4_096;
const ALL_PERMISSIONS = 31;
const MULTI_ERROR_RESULT = -1;
const OK = 0;
/** What a failed multi says about the steps behind the failing one. */
const RUNTIME_INCONSISTENCY = -2;

/** `world:anyone` may do anything: Kafka's and ZooKeeper's default. */
const openAcl: AclRecord = new jute.data.ACL();
openAcl.perms = ALL_PERMISSIONS;
openAcl.id.scheme = 'world';
openAcl.id.id = 'anyone';
const openAcls = [openAcl];
const openAclsOfMulti = [{ toRecord: () => openAcl }];

export type NodeData = Buffer | string | null;

export function failure(wireError: number, detail: string): ZooKeeperError {
  return new ZooKeeperError(nameOf(wireError), detail);
}

/**
 * The path on the server.
 * @throws ZooKeeperError BAD_ARGUMENTS for what no server would take
 */
export function serverPath(chroot: string, path: string): string {
  const isValid =
    path === '/' ||
    (path.startsWith('/') && !path.endsWith('/') && !/\/\/|\/\.\.?(\/|$)|\0/.test(path));
  if (!isValid) throw new ZooKeeperError('BAD_ARGUMENTS', `${JSON.stringify(path)} is no path`);
  return underChroot(chroot, path);
}

export function createRecord(path: string, data: NodeData, options: CreateOptions): RequestRecord {
  const record = new jute.protocol.CreateRequest();
  record.path = path;
  record.data = bytesOf(path, data);
  record.acl = openAcls;
  record.flags = createFlags(options);
  return record;
}

export function setDataRecord(path: string, data: NodeData, version: number): RequestRecord {
  const record = new jute.protocol.SetDataRequest();
  record.path = path;
  record.data = bytesOf(path, data);
  record.version = version;
  return record;
}

export function deleteRecord(path: string, version: number): RequestRecord {
  const record = new jute.protocol.DeleteRequest();
  record.path = path;
  record.version = version;
  return record;
}

export function readRecord(
  kind: 'ExistsRequest' | 'GetDataRequest' | 'GetChildren2Request',
  path: string,
  watch: boolean,
): RequestRecord {
  const record = new jute.protocol[kind]();
  record.path = path;
  record.watch = watch;
  return record;
}

export function multiRecord(chroot: string, operations: readonly MultiOperation[]): RequestRecord {
  return new jute.TransactionRequest(
    operations.map((operation) => stepRecord(serverPath(chroot, operation.path), operation)),
  );
}

/** @throws MultiFailed with the failing step's code */
export function multiResults(
  chroot: string,
  operations: readonly MultiOperation[],
  response: ResponseRecord | null,
): MultiResult[] {
  const results = response?.results ?? [];
  const codes = results.map((result) =>
    result.type === MULTI_ERROR_RESULT ? (result.err ?? OK) : OK,
  );
  const failedIndex = codes.findIndex((code) => code !== OK && code !== RUNTIME_INCONSISTENCY);
  const failed = operations[failedIndex];
  if (failed !== undefined)
    throw new MultiFailed(
      nameOf(codes[failedIndex] ?? OK),
      failedIndex,
      `multi: ${failed.kind} ${failed.path}`,
    );
  return operations.map((operation, index) => stepResult(chroot, operation, results[index]));
}

/** @throws ZooKeeperError MARSHALLING_ERROR when the reply has none */
export function statOf(record: StatRecord | undefined, path: string): Stat {
  if (record === undefined)
    throw new ZooKeeperError('MARSHALLING_ERROR', `the reply about ${path} lacks its stat`);
  return {
    czxid: record.czxid.readBigInt64BE(),
    mzxid: record.mzxid.readBigInt64BE(),
    pzxid: record.pzxid.readBigInt64BE(),
    ephemeralOwner: record.ephemeralOwner.readBigInt64BE(),
    ctime: Number(record.ctime.readBigInt64BE()),
    mtime: Number(record.mtime.readBigInt64BE()),
    version: record.version,
    cversion: record.cversion,
    aversion: record.aversion,
    dataLength: record.dataLength,
    numChildren: record.numChildren,
  };
}

function stepResult(
  chroot: string,
  operation: MultiOperation,
  result: MultiResultRecord | undefined,
): MultiResult {
  switch (operation.kind) {
    case 'create':
      return { kind: 'create', path: withoutChroot(chroot, result?.path ?? operation.path) };
    case 'set':
      return { kind: 'set', stat: statOf(result?.stat, operation.path) };
    case 'remove':
    case 'check':
      return { kind: operation.kind };
  }
}

/** A code that nobody declared counts as SYSTEM_ERROR. */
function nameOf(wireError: number): ZooKeeperErrorName {
  return zookeeperErrorOf(wireError) ?? 'SYSTEM_ERROR';
}

function stepRecord(path: string, operation: MultiOperation): MultiOperationRecord {
  switch (operation.kind) {
    case 'create':
      return {
        type: OP_CODES.create,
        path,
        data: bytesOf(path, operation.data),
        acls: openAclsOfMulti,
        mode: createFlags(operation),
      };
    case 'set':
      return {
        type: OP_CODES.setData,
        path,
        data: bytesOf(path, operation.data),
        version: operation.version ?? -1,
      };
    case 'remove':
      return { type: OP_CODES.remove, path, version: operation.version ?? -1 };
    case 'check':
      return { type: OP_CODES.check, path, version: operation.version };
  }
}

function createFlags({ ephemeral = false, sequential = false }: CreateOptions): number {
  return (ephemeral ? 1 : 0) + (sequential ? 2 : 0);
}

/** undefined is the library's null. */
function bytesOf(path: string, data: NodeData): Buffer | undefined {
  const bytes = typeof data === 'string' ? Buffer.from(data) : (data ?? undefined);
  if (bytes !== undefined && bytes.length > DATA_BYTES_MAX)
    throw new ZooKeeperError(
      'BAD_ARGUMENTS',
      `${path}: ${bytes.length} bytes, at most ${DATA_BYTES_MAX}`,
    );
  return bytes;
}
