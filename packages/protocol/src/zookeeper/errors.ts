/**
 * Every error code of the ZooKeeper protocol: what travels as `err` in a reply header, and those
 * that only clients make up.
 */
import { ProtocolError } from '../errors.ts';

interface WireError {
  readonly wire: number;
  /** The same request may succeed if sent again, on this or another connection. */
  readonly retriable: boolean;
}

export const zookeeperErrors = {
  SYSTEM_ERROR: { wire: -1, retriable: false },
  /** Operations of a multi behind the one that failed. */
  RUNTIME_INCONSISTENCY: { wire: -2, retriable: false },
  DATA_INCONSISTENCY: { wire: -3, retriable: false },
  CONNECTION_LOSS: { wire: -4, retriable: true },
  MARSHALLING_ERROR: { wire: -5, retriable: false },
  UNIMPLEMENTED: { wire: -6, retriable: false },
  OPERATION_TIMEOUT: { wire: -7, retriable: true },
  BAD_ARGUMENTS: { wire: -8, retriable: false },
  UNKNOWN_SESSION: { wire: -12, retriable: false },
  NEW_CONFIG_NO_QUORUM: { wire: -13, retriable: true },
  RECONFIG_IN_PROGRESS: { wire: -14, retriable: true },
  API_ERROR: { wire: -100, retriable: false },
  NO_NODE: { wire: -101, retriable: false },
  NO_AUTH: { wire: -102, retriable: false },
  BAD_VERSION: { wire: -103, retriable: false },
  NO_CHILDREN_FOR_EPHEMERALS: { wire: -108, retriable: false },
  NODE_EXISTS: { wire: -110, retriable: false },
  NOT_EMPTY: { wire: -111, retriable: false },
  SESSION_EXPIRED: { wire: -112, retriable: false },
  INVALID_CALLBACK: { wire: -113, retriable: false },
  INVALID_ACL: { wire: -114, retriable: false },
  AUTH_FAILED: { wire: -115, retriable: false },
  CLOSING: { wire: -116, retriable: false },
  NOTHING: { wire: -117, retriable: false },
  SESSION_MOVED: { wire: -118, retriable: true },
  NOT_READ_ONLY: { wire: -119, retriable: true },
  EPHEMERAL_ON_LOCAL_SESSION: { wire: -120, retriable: false },
  NO_WATCHER: { wire: -121, retriable: false },
  REQUEST_TIMEOUT: { wire: -122, retriable: true },
  RECONFIG_DISABLED: { wire: -123, retriable: false },
  SESSION_CLOSED_REQUIRE_SASL_AUTH: { wire: -124, retriable: false },
  QUOTA_EXCEEDED: { wire: -125, retriable: false },
  THROTTLED_OP: { wire: -127, retriable: true },
} as const satisfies Record<string, WireError>;

export type ZooKeeperErrorName = keyof typeof zookeeperErrors;

/** The numbers on the wire, by name. */
export const zookeeperErrorCodes = Object.fromEntries(
  Object.entries(zookeeperErrors).map(([name, { wire }]) => [name, wire]),
) as { readonly [Name in ZooKeeperErrorName]: (typeof zookeeperErrors)[Name]['wire'] };

const names = new Map<number, ZooKeeperErrorName>(
  Object.entries(zookeeperErrors).map(([name, { wire }]) => [wire, name as ZooKeeperErrorName]),
);

/** The name of a code; undefined for 0 and for codes nobody declared. */
export function zookeeperErrorOf(wire: number): ZooKeeperErrorName | undefined {
  return names.get(wire);
}

/** A refusal in ZooKeeper's terms; KafkaError is its twin. */
export class ZooKeeperError extends ProtocolError {
  override readonly name = 'ZooKeeperError';
  readonly code: ZooKeeperErrorName;
  /** The number on the wire. */
  readonly wire: number;
  readonly retriable: boolean;

  /** @param detail what was refused and where, for people */
  constructor(code: ZooKeeperErrorName, detail?: string, options?: ErrorOptions) {
    super(detail === undefined ? code : `${code}: ${detail}`, options);
    const { wire, retriable } = zookeeperErrors[code];
    this.code = code;
    this.wire = wire;
    this.retriable = retriable;
  }
}
