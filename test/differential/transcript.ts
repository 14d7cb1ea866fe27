/**
 * What a server said, field by field, without what must differ between two servers: zxids are counted from the
 * sequence's first write, session ids are numbers of sessions, times are only told apart from each other, and
 * what has no order (names of children, a session's ephemerals, identities) is sorted.
 */
import {
  create2Response,
  createResponse,
  errorResponse,
  getAclResponse,
  getAllChildrenNumberResponse,
  getChildren2Response,
  getChildrenResponse,
  getDataResponse,
  getEphemeralsResponse,
  multiHeader,
  opCodes,
  opNameOf,
  Reader,
  replyHeader,
  saslResponse,
  setDataResponse,
  syncResponse,
  type WireStat,
  watcherEvent,
  whoAmIResponse,
  xids,
} from '@odradek/protocol';

/** One thing that came over a connection, or happened to it. */
export type Entry = Readonly<Record<string, unknown>>;

/** How the numbers of one server are read. */
export interface Numbers {
  readonly root: string;
  /** The zxid of the sequence's first write. */
  readonly baseZxid: bigint;
  /** Zxids that were spent on requests without sense, in order; they do not count. */
  readonly spent: readonly bigint[];
  /** The zxids of all writes, in order, where only they count; null: every zxid counts. */
  readonly writes: readonly bigint[] | null;
  /** By id. */
  readonly sessions: ReadonlyMap<bigint, string>;
  /** False where the zxids of events do not count. */
  readonly eventsHaveZxids: boolean;
}

export interface Answer {
  readonly header: { readonly xid: number; readonly zxid: bigint; readonly err: number };
  readonly body: Buffer;
}

export function answerOf(frame: Buffer): Answer {
  const reader = new Reader(frame);
  return { header: replyHeader.decodeFrom(reader), body: frame.subarray(reader.position) };
}

export const isNotification = ({ header }: Answer): boolean => header.xid === xids.notification;

export function readNotification({ header, body }: Answer, numbers: Numbers): Entry {
  const { type, state, path } = watcherEvent.decode(body);
  return {
    event: type,
    state,
    path: path.replace(numbers.root, '@'),
    zxid: numbers.eventsHaveZxids ? relative(header.zxid, numbers) : null,
    err: header.err,
  };
}

/** @param opCode of the request that is answered */
export function readReply({ header, body }: Answer, opCode: number, numbers: Numbers): Entry {
  return {
    reply: opNameOf(opCode) ?? opCode,
    xid: header.xid,
    zxid: relative(header.zxid, numbers),
    err: header.err,
    // A multiRead that cannot be read to its end: the original sends what it had done so far.
    body: header.err === 0 || opCode !== opCodes.multiRead ? readBody(body, opCode, numbers) : null,
  };
}

/** As zxids are compared: -1 and 0, "before" for what other sequences did, else how many later. */
export function relative(zxid: bigint, { baseZxid, spent, writes }: Numbers): string {
  if (zxid <= 0n) return String(zxid);
  if (zxid < baseZxid) return 'before';
  if (writes !== null) return `write ${writes.filter((other) => other <= zxid).length}`;
  const spentBefore = spent.filter((other) => other <= zxid).length;
  return `+${zxid - baseZxid - BigInt(spentBefore)}`;
}

interface Decoder {
  decode(bytes: Buffer): object;
  decodeFrom(reader: Reader): object;
}

const bodies: Readonly<Record<number, Decoder>> = {
  [opCodes.create]: createResponse,
  [opCodes.create2]: create2Response,
  [opCodes.createContainer]: create2Response,
  [opCodes.createTtl]: create2Response,
  [opCodes.exists]: setDataResponse,
  [opCodes.setData]: setDataResponse,
  [opCodes.setAcl]: setDataResponse,
  [opCodes.getData]: getDataResponse,
  [opCodes.getAcl]: getAclResponse,
  [opCodes.getChildren]: getChildrenResponse,
  [opCodes.getChildren2]: getChildren2Response,
  [opCodes.sync]: syncResponse,
  [opCodes.getEphemerals]: getEphemeralsResponse,
  [opCodes.getAllChildrenNumber]: getAllChildrenNumberResponse,
  [opCodes.addWatch]: errorResponse,
  [opCodes.whoAmI]: whoAmIResponse,
  [opCodes.sasl]: saslResponse,
};

function readBody(body: Buffer, opCode: number, numbers: Numbers): unknown {
  if (body.length === 0) return null;
  try {
    if (opCode === opCodes.multi || opCode === opCodes.multiRead) return readRow(body, numbers);
    const record = bodies[opCode];
    return record === undefined ? body.toString('hex') : readable(record.decode(body), numbers);
  } catch (error) {
    return { unreadable: body.toString('hex'), because: String(error) };
  }
}

function readRow(body: Buffer, numbers: Numbers): readonly unknown[] {
  const reader = new Reader(body);
  const results: unknown[] = [];
  for (;;) {
    const header = multiHeader.decodeFrom(reader);
    if (header.done) {
      return [...results, header, `${reader.remaining} bytes left`];
    }
    const record = header.type === -1 ? errorResponse : bodies[header.type];
    const result = record === undefined ? null : readable(record.decodeFrom(reader), numbers);
    results.push({ ...header, result });
  }
}

/** The fields of a body as they are compared. */
function readable(body: object, numbers: Numbers): unknown {
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [name, shown(name, value, numbers)]),
  );
}

function shown(name: string, value: unknown, numbers: Numbers): unknown {
  switch (name) {
    case 'stat':
      return readStat(value as WireStat, numbers);
    case 'path':
      return typeof value === 'string' ? value.replace(numbers.root, '@') : value;
    case 'token':
      return Buffer.isBuffer(value) ? challenge(value.toString('latin1')) : value;
    case 'data':
      return Buffer.isBuffer(value) ? value.toString('latin1') : value;
    case 'children':
    case 'ephemerals':
      return (value as readonly string[]).map((path) => path.replace(numbers.root, '@')).sort();
    case 'clientInfo':
      // Nor have identities; and the original names who is super in two ways twice.
      return [...new Set((value as readonly unknown[]).map((each) => JSON.stringify(each)))].sort();
    case 'acl':
      // What `auth` stands for has no order among itself.
      return (value as readonly unknown[]).map((each) => JSON.stringify(each)).sort();
    default:
      return value;
  }
}

/** Directives have no order, a nonce is new each time, and the proof is looked at by whoever can. */
const challenge = (token: string): readonly string[] =>
  token
    .split(',')
    .map((directive) => directive.replace(/^(nonce|rspauth)=.*/, '$1'))
    .sort();

function readStat(stat: WireStat, numbers: Numbers): Entry {
  const { ctime, mtime, ephemeralOwner, czxid, mzxid, pzxid, ...rest } = stat;
  const owner = numbers.sessions.get(ephemeralOwner) ?? `0x${ephemeralOwner.toString(16)}`;
  return {
    ...rest,
    czxid: relative(czxid, numbers),
    mzxid: relative(mzxid, numbers),
    pzxid: relative(pzxid, numbers),
    ephemeralOwner: owner,
    times: timesOf(stat),
  };
}

/** A node that was never changed has one time, and no time is before another that was. */
function timesOf({ ctime, mtime, czxid, mzxid }: WireStat): string {
  if (ctime === 0) return mtime === 0 ? 'none' : 'changed';
  if (czxid === mzxid) return ctime === mtime ? 'as created' : `wrong: ${ctime}, ${mtime}`;
  return mtime >= ctime ? 'changed' : `wrong: ${ctime}, ${mtime}`;
}
