/**
 * Kafka's error codes: one table of what travels in `errorCode` fields, and one error class for
 * all of them. `retriable` says that the same request may succeed later; `staleMetadata` that the
 * client should refresh its picture of the cluster first. The codes from 128 on came with 4.x.
 */
import { ProtocolError } from '../errors.ts';

interface WireError {
  readonly wire: number;
  readonly retriable: boolean;
  readonly staleMetadata?: boolean;
}

export const kafkaErrors = {
  UNKNOWN_SERVER_ERROR: { wire: -1, retriable: false },
  NONE: { wire: 0, retriable: false },
  OFFSET_OUT_OF_RANGE: { wire: 1, retriable: false },
  CORRUPT_MESSAGE: { wire: 2, retriable: true },
  UNKNOWN_TOPIC_OR_PARTITION: { wire: 3, retriable: true, staleMetadata: true },
  INVALID_FETCH_SIZE: { wire: 4, retriable: false },
  LEADER_NOT_AVAILABLE: { wire: 5, retriable: true, staleMetadata: true },
  NOT_LEADER_OR_FOLLOWER: { wire: 6, retriable: true, staleMetadata: true },
  REQUEST_TIMED_OUT: { wire: 7, retriable: true },
  BROKER_NOT_AVAILABLE: { wire: 8, retriable: false },
  REPLICA_NOT_AVAILABLE: { wire: 9, retriable: true, staleMetadata: true },
  MESSAGE_TOO_LARGE: { wire: 10, retriable: false },
  STALE_CONTROLLER_EPOCH: { wire: 11, retriable: false },
  OFFSET_METADATA_TOO_LARGE: { wire: 12, retriable: false },
  NETWORK_EXCEPTION: { wire: 13, retriable: true, staleMetadata: true },
  COORDINATOR_LOAD_IN_PROGRESS: { wire: 14, retriable: true },
  COORDINATOR_NOT_AVAILABLE: { wire: 15, retriable: true },
  NOT_COORDINATOR: { wire: 16, retriable: true },
  INVALID_TOPIC_EXCEPTION: { wire: 17, retriable: false },
  RECORD_LIST_TOO_LARGE: { wire: 18, retriable: false },
  NOT_ENOUGH_REPLICAS: { wire: 19, retriable: true },
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: { wire: 20, retriable: true },
  INVALID_REQUIRED_ACKS: { wire: 21, retriable: false },
  ILLEGAL_GENERATION: { wire: 22, retriable: false },
  INCONSISTENT_GROUP_PROTOCOL: { wire: 23, retriable: false },
  INVALID_GROUP_ID: { wire: 24, retriable: false },
  UNKNOWN_MEMBER_ID: { wire: 25, retriable: false },
  INVALID_SESSION_TIMEOUT: { wire: 26, retriable: false },
  REBALANCE_IN_PROGRESS: { wire: 27, retriable: false },
  INVALID_COMMIT_OFFSET_SIZE: { wire: 28, retriable: false },
  TOPIC_AUTHORIZATION_FAILED: { wire: 29, retriable: false },
  GROUP_AUTHORIZATION_FAILED: { wire: 30, retriable: false },
  CLUSTER_AUTHORIZATION_FAILED: { wire: 31, retriable: false },
  INVALID_TIMESTAMP: { wire: 32, retriable: false },
  UNSUPPORTED_SASL_MECHANISM: { wire: 33, retriable: false },
  ILLEGAL_SASL_STATE: { wire: 34, retriable: false },
  UNSUPPORTED_VERSION: { wire: 35, retriable: false },
  TOPIC_ALREADY_EXISTS: { wire: 36, retriable: false },
  INVALID_PARTITIONS: { wire: 37, retriable: false },
  INVALID_REPLICATION_FACTOR: { wire: 38, retriable: false },
  INVALID_REPLICA_ASSIGNMENT: { wire: 39, retriable: false },
  INVALID_CONFIG: { wire: 40, retriable: false },
  NOT_CONTROLLER: { wire: 41, retriable: true },
  INVALID_REQUEST: { wire: 42, retriable: false },
  UNSUPPORTED_FOR_MESSAGE_FORMAT: { wire: 43, retriable: false },
  POLICY_VIOLATION: { wire: 44, retriable: false },
  OUT_OF_ORDER_SEQUENCE_NUMBER: { wire: 45, retriable: false },
  DUPLICATE_SEQUENCE_NUMBER: { wire: 46, retriable: false },
  INVALID_PRODUCER_EPOCH: { wire: 47, retriable: false },
  INVALID_TXN_STATE: { wire: 48, retriable: false },
  INVALID_PRODUCER_ID_MAPPING: { wire: 49, retriable: false },
  INVALID_TRANSACTION_TIMEOUT: { wire: 50, retriable: false },
  CONCURRENT_TRANSACTIONS: { wire: 51, retriable: true },
  TRANSACTION_COORDINATOR_FENCED: { wire: 52, retriable: false },
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: { wire: 53, retriable: false },
  SECURITY_DISABLED: { wire: 54, retriable: false },
  OPERATION_NOT_ATTEMPTED: { wire: 55, retriable: false },
  KAFKA_STORAGE_ERROR: { wire: 56, retriable: true, staleMetadata: true },
  LOG_DIR_NOT_FOUND: { wire: 57, retriable: false },
  SASL_AUTHENTICATION_FAILED: { wire: 58, retriable: false },
  UNKNOWN_PRODUCER_ID: { wire: 59, retriable: false },
  REASSIGNMENT_IN_PROGRESS: { wire: 60, retriable: false },
  DELEGATION_TOKEN_AUTH_DISABLED: { wire: 61, retriable: false },
  DELEGATION_TOKEN_NOT_FOUND: { wire: 62, retriable: false },
  DELEGATION_TOKEN_OWNER_MISMATCH: { wire: 63, retriable: false },
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: { wire: 64, retriable: false },
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: { wire: 65, retriable: false },
  DELEGATION_TOKEN_EXPIRED: { wire: 66, retriable: false },
  INVALID_PRINCIPAL_TYPE: { wire: 67, retriable: false },
  NON_EMPTY_GROUP: { wire: 68, retriable: false },
  GROUP_ID_NOT_FOUND: { wire: 69, retriable: false },
  FETCH_SESSION_ID_NOT_FOUND: { wire: 70, retriable: true },
  INVALID_FETCH_SESSION_EPOCH: { wire: 71, retriable: true },
  LISTENER_NOT_FOUND: { wire: 72, retriable: true, staleMetadata: true },
  TOPIC_DELETION_DISABLED: { wire: 73, retriable: false },
  FENCED_LEADER_EPOCH: { wire: 74, retriable: true, staleMetadata: true },
  UNKNOWN_LEADER_EPOCH: { wire: 75, retriable: true },
  UNSUPPORTED_COMPRESSION_TYPE: { wire: 76, retriable: false },
  STALE_BROKER_EPOCH: { wire: 77, retriable: false },
  OFFSET_NOT_AVAILABLE: { wire: 78, retriable: true },
  MEMBER_ID_REQUIRED: { wire: 79, retriable: false },
  PREFERRED_LEADER_NOT_AVAILABLE: { wire: 80, retriable: true, staleMetadata: true },
  GROUP_MAX_SIZE_REACHED: { wire: 81, retriable: false },
  FENCED_INSTANCE_ID: { wire: 82, retriable: false },
  ELIGIBLE_LEADERS_NOT_AVAILABLE: { wire: 83, retriable: true, staleMetadata: true },
  ELECTION_NOT_NEEDED: { wire: 84, retriable: true, staleMetadata: true },
  NO_REASSIGNMENT_IN_PROGRESS: { wire: 85, retriable: false },
  GROUP_SUBSCRIBED_TO_TOPIC: { wire: 86, retriable: false },
  INVALID_RECORD: { wire: 87, retriable: false },
  UNSTABLE_OFFSET_COMMIT: { wire: 88, retriable: true },
  THROTTLING_QUOTA_EXCEEDED: { wire: 89, retriable: true },
  PRODUCER_FENCED: { wire: 90, retriable: false },
  RESOURCE_NOT_FOUND: { wire: 91, retriable: false },
  DUPLICATE_RESOURCE: { wire: 92, retriable: false },
  UNACCEPTABLE_CREDENTIAL: { wire: 93, retriable: false },
  INCONSISTENT_VOTER_SET: { wire: 94, retriable: false },
  INVALID_UPDATE_VERSION: { wire: 95, retriable: false },
  FEATURE_UPDATE_FAILED: { wire: 96, retriable: false },
  PRINCIPAL_DESERIALIZATION_FAILURE: { wire: 97, retriable: false },
  SNAPSHOT_NOT_FOUND: { wire: 98, retriable: false },
  POSITION_OUT_OF_RANGE: { wire: 99, retriable: false },
  UNKNOWN_TOPIC_ID: { wire: 100, retriable: true, staleMetadata: true },
  DUPLICATE_BROKER_REGISTRATION: { wire: 101, retriable: false },
  BROKER_ID_NOT_REGISTERED: { wire: 102, retriable: false },
  INCONSISTENT_TOPIC_ID: { wire: 103, retriable: true, staleMetadata: true },
  INCONSISTENT_CLUSTER_ID: { wire: 104, retriable: false },
  TRANSACTIONAL_ID_NOT_FOUND: { wire: 105, retriable: false },
  FETCH_SESSION_TOPIC_ID_ERROR: { wire: 106, retriable: true },
  INELIGIBLE_REPLICA: { wire: 107, retriable: false },
  NEW_LEADER_ELECTED: { wire: 108, retriable: false },
  OFFSET_MOVED_TO_TIERED_STORAGE: { wire: 109, retriable: false },
  FENCED_MEMBER_EPOCH: { wire: 110, retriable: false },
  UNRELEASED_INSTANCE_ID: { wire: 111, retriable: false },
  UNSUPPORTED_ASSIGNOR: { wire: 112, retriable: false },
  STALE_MEMBER_EPOCH: { wire: 113, retriable: false },
  MISMATCHED_ENDPOINT_TYPE: { wire: 114, retriable: false },
  UNSUPPORTED_ENDPOINT_TYPE: { wire: 115, retriable: false },
  UNKNOWN_CONTROLLER_ID: { wire: 116, retriable: false },
  UNKNOWN_SUBSCRIPTION_ID: { wire: 117, retriable: false },
  TELEMETRY_TOO_LARGE: { wire: 118, retriable: false },
  INVALID_REGISTRATION: { wire: 119, retriable: false },
  TRANSACTION_ABORTABLE: { wire: 120, retriable: false },
  INVALID_RECORD_STATE: { wire: 121, retriable: false },
  SHARE_SESSION_NOT_FOUND: { wire: 122, retriable: true },
  INVALID_SHARE_SESSION_EPOCH: { wire: 123, retriable: true },
  FENCED_STATE_EPOCH: { wire: 124, retriable: false },
  INVALID_VOTER_KEY: { wire: 125, retriable: false },
  DUPLICATE_VOTER: { wire: 126, retriable: false },
  VOTER_NOT_FOUND: { wire: 127, retriable: false },
  INVALID_REGULAR_EXPRESSION: { wire: 128, retriable: false },
  REBOOTSTRAP_REQUIRED: { wire: 129, retriable: false },
  STREAMS_INVALID_TOPOLOGY: { wire: 130, retriable: false },
  STREAMS_INVALID_TOPOLOGY_EPOCH: { wire: 131, retriable: false },
  STREAMS_TOPOLOGY_FENCED: { wire: 132, retriable: false },
  SHARE_SESSION_LIMIT_REACHED: { wire: 133, retriable: true },
  GROUP_DELETION_FAILED: { wire: 134, retriable: false },
  STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED: { wire: 135, retriable: false },
  CONTROLLER_ID_NOT_REGISTERED: { wire: 136, retriable: false },
} as const satisfies Record<string, WireError>;

export type KafkaErrorName = keyof typeof kafkaErrors;

const names = Object.keys(kafkaErrors) as KafkaErrorName[];
const nameByCode = new Map<number, KafkaErrorName>(
  names.map((name) => [kafkaErrors[name].wire, name]),
);

/** The numbers by name: `errorCodes.NOT_LEADER_OR_FOLLOWER === 6`. */
export const errorCodes = Object.fromEntries(
  names.map((name) => [name, kafkaErrors[name].wire]),
) as { readonly [Name in KafkaErrorName]: (typeof kafkaErrors)[Name]['wire'] };

/** The name of a number on the wire; a number we do not know counts as UNKNOWN_SERVER_ERROR. */
export function kafkaErrorOf(code: number): KafkaErrorName {
  return nameByCode.get(code) ?? 'UNKNOWN_SERVER_ERROR';
}

/** A failure that travels as an error code; ZooKeeperError is its twin. */
export class KafkaError extends ProtocolError {
  override readonly name = 'KafkaError';
  readonly code: KafkaErrorName;
  /** The number on the wire. */
  readonly wire: number;
  readonly retriable: boolean;
  /** The client's picture of the cluster is behind: refresh it before trying again. */
  readonly staleMetadata: boolean;

  /** @param detail what went wrong, for people; the code alone when left out */
  constructor(code: KafkaErrorName, detail?: string, options?: ErrorOptions) {
    super(detail === undefined ? code : `${code}: ${detail}`, options);
    const entry: WireError = kafkaErrors[code];
    this.code = code;
    this.wire = entry.wire;
    this.retriable = entry.retriable;
    this.staleMetadata = entry.staleMetadata === true;
  }

  /** The error for a code received from a peer; null for 0, which is no error. */
  static ofCode(code: number, detail?: string): KafkaError | null {
    return code === 0 ? null : new KafkaError(kafkaErrorOf(code), detail);
  }
}
