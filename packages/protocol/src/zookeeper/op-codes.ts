/**
 * Operation codes, special transaction ids and event numbers of the client protocol.
 */

export const opCodes = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  getAcl: 6,
  setAcl: 7,
  getChildren: 8,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  /** Only inside a multi. */
  check: 13,
  multi: 14,
  create2: 15,
  reconfig: 16,
  checkWatches: 17,
  removeWatches: 18,
  createContainer: 19,
  createTtl: 21,
  multiRead: 22,
  auth: 100,
  setWatches: 101,
  sasl: 102,
  getEphemerals: 103,
  getAllChildrenNumber: 104,
  setWatches2: 105,
  addWatch: 106,
  whoAmI: 107,
  closeSession: -11,
} as const;

export type OpName = keyof typeof opCodes;
export type OpCode = (typeof opCodes)[OpName];

const names = new Map<number, OpName>(
  Object.entries(opCodes).map(([name, code]) => [code, name as OpName]),
);

/** The operation's name, or undefined for a code nobody declared. */
export function opNameOf(code: number): OpName | undefined {
  return names.get(code);
}

/** The type of a failed result inside a multi's answer, and of its end mark. */
export const ERROR_OP = -1;

/** Request numbers that mean something. */
export const xids = { notification: -1, ping: -2, auth: -4, setWatches: -8 } as const;

/** What a notification tells of. */
export const eventTypes = {
  created: 1,
  deleted: 2,
  dataChanged: 3,
  childrenChanged: 4,
} as const;

export type EventType = (typeof eventTypes)[keyof typeof eventTypes];

/** The state that every notification of a server carries. */
export const SYNC_CONNECTED = 3;

/** How an added watch behaves: stays at its node, or covers everything below as well. */
export const watchModes = { persistent: 0, persistentRecursive: 1 } as const;

/** Which watches a removal means. */
export const watcherTypes = {
  children: 1,
  data: 2,
  any: 3,
  persistent: 4,
  persistentRecursive: 5,
} as const;

/** Flags of a create. */
export const createFlags = {
  persistent: 0,
  ephemeral: 1,
  persistentSequential: 2,
  ephemeralSequential: 3,
  container: 4,
  ttl: 5,
  ttlSequential: 6,
} as const;
