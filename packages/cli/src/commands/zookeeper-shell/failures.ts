/**
 * What the shell says when something fails: ZooKeeper's sentences for the codes that operators meet,
 * its `KeeperErrorCode = …` for the rest. Also the shell's own refusals, with their exit codes.
 */
import { ZooKeeperError, type ZooKeeperErrorName } from '@odradek/protocol';

/** A command that cannot be carried out: its message goes to standard error, and the shell goes on. */
export class ShellError extends Error {
  override readonly name = 'ShellError';
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

export const COMMAND_NOT_FOUND = 127;

const CODE_TEXTS: Readonly<Record<ZooKeeperErrorName, string>> = {
  SYSTEM_ERROR: 'SystemError',
  RUNTIME_INCONSISTENCY: 'RuntimeInconsistency',
  DATA_INCONSISTENCY: 'DataInconsistency',
  CONNECTION_LOSS: 'ConnectionLoss',
  MARSHALLING_ERROR: 'MarshallingError',
  UNIMPLEMENTED: 'Unimplemented',
  OPERATION_TIMEOUT: 'OperationTimeout',
  BAD_ARGUMENTS: 'BadArguments',
  UNKNOWN_SESSION: 'Unknown error',
  NEW_CONFIG_NO_QUORUM: 'NewConfigNoQuorum',
  RECONFIG_IN_PROGRESS: 'ReconfigInProgress',
  API_ERROR: 'APIError',
  NO_NODE: 'NoNode',
  NO_AUTH: 'NoAuth',
  BAD_VERSION: 'BadVersion',
  NO_CHILDREN_FOR_EPHEMERALS: 'NoChildrenForEphemerals',
  NODE_EXISTS: 'NodeExists',
  NOT_EMPTY: 'Directory not empty',
  SESSION_EXPIRED: 'Session expired',
  INVALID_CALLBACK: 'Invalid callback',
  INVALID_ACL: 'InvalidACL',
  AUTH_FAILED: 'AuthFailed',
  CLOSING: 'Unknown error',
  NOTHING: 'Unknown error',
  SESSION_MOVED: 'Session moved',
  NOT_READ_ONLY: 'Not a read-only call',
  EPHEMERAL_ON_LOCAL_SESSION: 'Ephemeral node on local session',
  NO_WATCHER: 'No such watcher',
  REQUEST_TIMEOUT: 'Unknown error',
  RECONFIG_DISABLED: 'Reconfig is disabled',
  SESSION_CLOSED_REQUIRE_SASL_AUTH: 'Session closed because client failed to authenticate',
  QUOTA_EXCEEDED: 'Quota has exceeded',
  THROTTLED_OP: 'Op throttled due to high load',
};

/** Codes that have a sentence of their own; the path follows. */
const SENTENCES: Partial<Record<ZooKeeperErrorName, string>> = {
  NO_NODE: 'Node does not exist: ',
  NO_CHILDREN_FOR_EPHEMERALS: 'Ephemerals cannot have children: ',
  NODE_EXISTS: 'Node already exists: ',
  NOT_EMPTY: 'Node not empty: ',
  NOT_READ_ONLY: 'Not a read-only call: ',
  INVALID_ACL: 'Acl is not valid : ',
  NO_AUTH: 'Insufficient permission : ',
  BAD_ARGUMENTS: 'Arguments are not valid : ',
  BAD_VERSION: 'version No is not valid : ',
  QUOTA_EXCEEDED: 'Quota has exceeded : ',
};

/** Sentences that stand alone. */
const STATEMENTS: Partial<Record<ZooKeeperErrorName, string>> = {
  RECONFIG_IN_PROGRESS:
    'Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)',
  NEW_CONFIG_NO_QUORUM:
    'No quorum of new config is connected and up-to-date with the leader of last commmitted config - try invoking reconfiguration after new servers are connected and synced',
};

/** @param path what the failed request was about; null for none */
export function failureText({ code }: ZooKeeperError, path: string | null): string {
  const sentence = SENTENCES[code];
  if (sentence !== undefined) return `${sentence}${path}`;
  return STATEMENTS[code] ?? codeText(code, path);
}

/** `KeeperErrorCode = NoNode for /a` */
export function codeText(code: ZooKeeperErrorName, path: string | null): string {
  return `KeeperErrorCode = ${CODE_TEXTS[code]}${path === null ? '' : ` for ${path}`}`;
}

/** Carries the path that a failed request was about, as the user wrote it. */
export class RequestFailed extends ShellError {
  readonly code: ZooKeeperErrorName;
  constructor(failure: ZooKeeperError, path: string | null) {
    super(failureText(failure, path));
    this.code = failure.code;
  }
}

/** Waits for a request; if it is refused, the path goes into what is said. */
export async function about<T>(path: string | null, request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (failure) {
    throw failure instanceof ZooKeeperError ? new RequestFailed(failure, path) : failure;
  }
}
