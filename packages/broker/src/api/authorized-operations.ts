/**
 * The bit fields that tell a client what it may do: one bit for each operation's number. There is
 * no authorizer yet, so everybody may do everything that can be done with a kind of resource.
 */

const operations = {
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
} as const;

type Operation = keyof typeof operations;

const bits = (...allowed: readonly Operation[]): number =>
  allowed.reduce((field, operation) => field | (1 << operations[operation]), 0);

/** The value that says "not asked for". */
export const OPERATIONS_NOT_ASKED = -0x80000000;

export const TOPIC_OPERATIONS = bits(
  'read',
  'write',
  'create',
  'delete',
  'alter',
  'describe',
  'describeConfigs',
  'alterConfigs',
);

export const CLUSTER_OPERATIONS = bits(
  'create',
  'alter',
  'describe',
  'clusterAction',
  'describeConfigs',
  'alterConfigs',
  'idempotentWrite',
);
