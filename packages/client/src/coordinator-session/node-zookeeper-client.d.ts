/**
 * The parts of node-zookeeper-client 1.1.3 that library-session.ts reaches into, as they really are.
 * The package has no types of its own; nothing else of ours may import it.
 */
declare module 'node-zookeeper-client/lib/ConnectionManager.js' {
  import type {
    Request,
    Response,
    WatcherEventRecord,
  } from 'node-zookeeper-client/lib/jute/index.js';

  // biome-ignore lint/style/noDefaultExport: this is how a CommonJS module looks from here
  export default class ConnectionManager {
    static readonly STATES: {
      readonly CONNECTING: 1;
      readonly CONNECTED: 2;
      readonly SESSION_EXPIRED: -3;
    };
    constructor(
      connectString: string,
      options: { sessionTimeout: number; spinDelay: number },
      stateListener: (state: number) => void,
    );
    xid: number;
    sessionTimeout: number;
    readonly sessionId: Buffer;
    readonly zxid: Buffer;
    pendingBuffer: Buffer | null;
    socket: {
      write(bytes: Buffer): boolean;
      destroy(): void;
      setTimeout(delayMs: number, run: () => void): void;
    };
    watcherManager: { isEmpty(): boolean; emit(event: WatcherEventRecord): void };
    connect(): void;
    setState(state: number): void;
    queue(request: Request, callback?: (error: Error | null, response?: Response) => void): void;
    onSocketConnected(): void;
    onSocketData(chunk: Buffer): void;
    onSocketDrain(): void;
    onSocketClosed(hadError: boolean): void;
  }
}

declare module 'node-zookeeper-client/lib/jute/index.js' {
  /** Longs are buffers of 8 bytes. */
  export interface StatRecord {
    readonly czxid: Buffer;
    readonly mzxid: Buffer;
    readonly ctime: Buffer;
    readonly mtime: Buffer;
    readonly version: number;
    readonly cversion: number;
    readonly aversion: number;
    readonly ephemeralOwner: Buffer;
    readonly dataLength: number;
    readonly numChildren: number;
    readonly pzxid: Buffer;
  }
  export interface WatcherEventRecord {
    readonly type: number;
    readonly state: number;
    readonly path: string;
  }
  export interface RequestRecord {
    setChrootPath(path: string): void;
  }
  export interface AclRecord {
    perms: number;
    id: IdRecord;
  }
  export interface IdRecord {
    scheme: string;
    id: string;
  }
  /** All that a reply to one of our requests can hold; which are there depends on the request. */
  export interface ResponseRecord {
    readonly path?: string;
    readonly data?: Buffer;
    readonly stat?: StatRecord;
    readonly children?: string[];
    readonly results?: readonly MultiResultRecord[];
  }
  export interface MultiResultRecord {
    readonly type: number;
    readonly path?: string;
    readonly stat?: StatRecord;
    readonly err?: number;
  }
  export interface MultiOperationRecord {
    readonly type: number;
    readonly path: string;
    readonly data?: Buffer | undefined;
    readonly acls?: readonly { toRecord(): AclRecord }[];
    readonly mode?: number;
    readonly version?: number;
  }
  export interface Response {
    readonly payload: ResponseRecord | null;
  }
  export interface HeaderRecord extends RequestRecord {
    xid: number;
    type: number;
  }
  export interface Request {
    readonly header: HeaderRecord;
  }
  export interface PathRecord extends RequestRecord {
    path: string;
  }
  export interface ReadRecord extends PathRecord {
    watch: boolean;
  }
  export interface CreateRecord extends PathRecord {
    data: Buffer | undefined;
    acl: readonly AclRecord[];
    flags: number;
  }
  export interface SetDataRecord extends PathRecord {
    data: Buffer | undefined;
    version: number;
  }
  export interface VersionedRecord extends PathRecord {
    version: number;
  }
  export interface SetWatchesRecord extends RequestRecord {
    relativeZxid: Buffer;
    dataWatches: readonly string[];
    existWatches: readonly string[];
    childWatches: readonly string[];
  }
  const jute: {
    readonly Request: new (header: HeaderRecord, payload: RequestRecord | null) => Request;
    readonly TransactionRequest: new (operations: readonly MultiOperationRecord[]) => RequestRecord;
    readonly data: { readonly ACL: new () => AclRecord; readonly Id: new () => IdRecord };
    readonly protocol: {
      readonly RequestHeader: new (xid: number, type: number) => HeaderRecord;
      readonly CreateRequest: new () => CreateRecord;
      readonly DeleteRequest: new () => VersionedRecord;
      readonly SetDataRequest: new () => SetDataRecord;
      readonly ExistsRequest: new () => ReadRecord;
      readonly GetDataRequest: new () => ReadRecord;
      readonly GetChildren2Request: new () => ReadRecord;
      readonly SetWatches: new () => SetWatchesRecord;
    };
  };
  // biome-ignore lint/style/noDefaultExport: this is how a CommonJS module looks from here
  export default jute;
}
