/** What a user of the raw session sees: its states and its events, under ZooKeeper's own names. */
import type { ClientTls, Environment } from '@odradek/runtime';
import type { SaslUser } from './sasl-login.ts';

export type RawSessionState =
  | 'CONNECTING'
  | 'CONNECTED'
  | 'CONNECTEDREADONLY'
  /** Closed by us, or expired: it never comes back. */
  | 'CLOSED'
  /** The server refused credentials: it never comes back. */
  | 'AUTH_FAILED';

/** In what state of the session an event came, by ZooKeeper's names (Programmer's Guide, Watches). */
export type KeeperState =
  | 'SyncConnected'
  | 'ConnectedReadOnly'
  | 'Disconnected'
  | 'Expired'
  | 'AuthFailed'
  | 'SaslAuthenticated'
  | 'Closed';

export type WatchedEventType =
  /** Of the session, not of a node. */
  | 'None'
  | 'NodeCreated'
  | 'NodeDeleted'
  | 'NodeDataChanged'
  | 'NodeChildrenChanged'
  /** The last three are made here, when a watch is taken away. */
  | 'DataWatchRemoved'
  | 'ChildWatchRemoved'
  | 'PersistentWatchRemoved';

export interface WatchedEvent {
  readonly state: KeeperState;
  readonly type: WatchedEventType;
  /** null for events of the session. */
  readonly path: string | null;
  /** -1n where there is none. */
  readonly zxid: bigint;
}

export interface RawSessionOptions {
  /** `host:port,host:port/chroot` */
  readonly connect: string;
  /** What we ask for; the server may grant less or more. */
  readonly sessionTimeoutMs: number;
  /** A server that lost its ensemble, and can only read, will do. */
  readonly canBeReadOnly?: boolean;
  /** Without it the link is not encrypted. */
  readonly tls?: ClientTls;
  /** Who we are, shown to every server before anything is asked of it. */
  readonly sasl?: SaslUser;
  readonly environment: Environment;
  /** Names the session in the log. */
  readonly name?: string;
}
