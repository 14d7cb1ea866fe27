/**
 * Reads: answered from the local tree, at once, in the order of the session.
 *
 * Each operation checks the node, then the permission, then sets its watch, then encodes right from
 * the node. Which error wins is the original's order. Not here: when a read may run
 * (client-connection.ts).
 */
import {
  addWatchRequest,
  ERROR_OP,
  errorResponse,
  zookeeperErrorCodes as errors,
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
  MalformedMessage,
  multiEnd,
  multiHeader,
  opCodes,
  type Reader,
  removeWatchesRequest,
  setWatches2Request,
  setWatchesRequest,
  syncRequest,
  syncResponse,
  Writer,
  watcherTypes,
  watchModes,
  whoAmIResponse,
  xids,
} from '@odradek/protocol/zookeeper';
import { type Identity, maskedEntries, permission, permits } from '../core/tree/acl.ts';
import type { Node } from '../core/tree/node.ts';
import type { Tree } from '../core/tree/tree.ts';
import { catchUp, type HeldWatches } from '../core/watch/catch-up.ts';
import type { WatchKind, WatchTable } from '../core/watch/watch-table.ts';
import { shownUser } from './authentication.ts';
import { MULTI_READ_BYTES_MAX, WATCHES_PER_CONNECTION_MAX } from './limits.ts';
import { eventFrame } from './notifications.ts';
import type { Outbox } from './outbox.ts';
import { isWrite } from './request-decoding.ts';

const STAT_BYTES = 68;
const LENGTH_BYTES = 4;
const HEADER_BYTES = 16;

/** Who reads. The object itself is what watches are registered for. */
export interface ReadingClient {
  readonly outbox: Outbox;
  readonly sessionId: bigint;
  readonly identities: readonly Identity[];
  /** The longest answer with data or names that it is to get, header included. */
  readonly replyBytesMax: number;
}

export interface ReadParts<Client extends ReadingClient> {
  readonly tree: Tree;
  readonly watches: WatchTable<Client>;
  readonly skipAcl: boolean;
}

/** A connection wants more watches than one may have. */
export class TooManyWatches extends Error {
  override readonly name = 'TooManyWatches';
}

/** What a read came to: the size of its reply, or an error code (negative) that is still to be told. */
type Outcome = number;

export class Reads<Client extends ReadingClient> {
  readonly #tree: Tree;
  readonly #watches: WatchTable<Client>;
  readonly #skipAcl: boolean;

  constructor({ tree, watches, skipAcl }: ReadParts<Client>) {
    this.#tree = tree;
    this.#watches = watches;
    this.#skipAcl = skipAcl;
  }

  /**
   * Carries out one read and writes its reply.
   * @returns size of the reply in bytes; null for an operation that nobody declared
   * @throws MalformedMessage when the body does not read as what it should be; nothing was written
   */
  perform(client: Client, xid: number, opCode: number, reader: Reader): number | null {
    const outcome = this.#dispatch(client, xid, opCode, reader);
    return outcome !== null && outcome < 0 ? client.outbox.bare(xid, outcome) : outcome;
  }

  #dispatch(client: Client, xid: number, opCode: number, reader: Reader): Outcome | null {
    const { outbox } = client;
    switch (opCode) {
      case opCodes.getData:
        return this.#getData(client, xid, reader);
      case opCodes.exists:
        return this.#exists(client, xid, reader);
      case opCodes.getChildren:
        return this.#getChildren(client, xid, reader);
      case opCodes.getChildren2:
        return this.#getChildren2(client, xid, reader);
      case opCodes.ping:
        return outbox.bare(xids.ping, 0);
      case opCodes.sync: {
        // Alone, everything committed is applied; the order of the session does the rest.
        const { path } = syncRequest.decodeFrom(reader);
        return outbox.reply(xid, syncResponse, { path });
      }
      case opCodes.getAcl:
        return this.#getAcl(client, xid, reader);
      case opCodes.multiRead:
        return this.#multiRead(client, xid, reader);
      case opCodes.setWatches: {
        const held = setWatchesRequest.decodeFrom(reader);
        return this.#setWatches(client, xid, {
          ...held,
          persistentWatches: [],
          persistentRecursiveWatches: [],
        });
      }
      case opCodes.setWatches2:
        return this.#setWatches(client, xid, setWatches2Request.decodeFrom(reader));
      case opCodes.addWatch:
        return this.#addWatch(client, xid, reader);
      case opCodes.checkWatches:
      case opCodes.removeWatches:
        return this.#removeWatches(client, xid, reader, opCode === opCodes.removeWatches);
      case opCodes.getEphemerals: {
        const prefix = getEphemeralsRequest.decodeFrom(reader).prefixPath ?? '';
        const own = [...this.#tree.ephemeralsOf(client.sessionId)];
        const ephemerals = own.filter((path) => path.startsWith(prefix));
        if (!namesFit(client, ephemerals, 0)) return errors.MARSHALLING_ERROR;
        return outbox.reply(xid, getEphemeralsResponse, { ephemerals });
      }
      case opCodes.getAllChildrenNumber: {
        const { path } = getAllChildrenNumberRequest.decodeFrom(reader);
        const node = this.#readable(client, path);
        if (typeof node === 'number') return node;
        const totalNumber = this.#tree.countDescendants(node);
        return outbox.sized(xid, getAllChildrenNumberResponse, { totalNumber }, 4);
      }
      case opCodes.whoAmI: {
        const clientInfo = client.identities.map((identity) => ({
          authScheme: identity.scheme,
          user: shownUser(identity),
        }));
        return outbox.reply(xid, whoAmIResponse, { clientInfo });
      }
      default:
        if (isWrite(opCode)) throw new MalformedMessage('a write that does not read as one');
        return null;
    }
  }

  #may(client: Client, wanted: number, node: Node): boolean {
    return node.acl.isOpen || this.#skipAcl || permits(node.acl, wanted, client.identities);
  }

  #readable(client: Client, path: string): Node | number {
    const node = this.#tree.get(path);
    if (node === undefined) return errors.NO_NODE;
    return this.#may(client, permission.read, node) ? node : errors.NO_AUTH;
  }

  #watch(kind: WatchKind, path: string, client: Client): void {
    this.#expectRoom(client, 1);
    this.#watches[kind].add(path, client);
  }

  #expectRoom(client: Client, count: number): void {
    if (this.#watches.countOf(client) + count > WATCHES_PER_CONNECTION_MAX) {
      throw new TooManyWatches(`more than ${WATCHES_PER_CONNECTION_MAX} watches`);
    }
  }

  #getData(client: Client, xid: number, reader: Reader): Outcome {
    const { path, watch } = getDataRequest.decodeFrom(reader);
    const node = this.#readable(client, path);
    if (typeof node === 'number') return node;
    const bodyBytes = LENGTH_BYTES + node.dataLength + STAT_BYTES;
    if (!fits(client, bodyBytes)) return errors.MARSHALLING_ERROR;
    if (watch) this.#watch('data', node.path, client);
    return client.outbox.sized(xid, getDataResponse, node, bodyBytes);
  }

  #exists(client: Client, xid: number, reader: Reader): Outcome {
    const { path, watch } = existsRequest.decodeFrom(reader);
    if (path.includes('\0')) return errors.BAD_ARGUMENTS;
    const node = this.#readable(client, path);
    if (typeof node === 'number') {
      // The one read whose watch is set although there is nothing: it waits for the creation.
      if (node === errors.NO_NODE && watch) this.#watch('data', path, client);
      return node;
    }
    if (watch) this.#watch('data', node.path, client);
    return client.outbox.sized(xid, existsResponse, node, STAT_BYTES);
  }

  #getChildren(client: Client, xid: number, reader: Reader): Outcome {
    const { path, watch } = getChildrenRequest.decodeFrom(reader);
    const node = this.#readable(client, path);
    if (typeof node === 'number') return node;
    const children = namesOf(node);
    if (!namesFit(client, children, 0)) return errors.MARSHALLING_ERROR;
    if (watch) this.#watch('child', node.path, client);
    return client.outbox.reply(xid, getChildrenResponse, { children });
  }

  #getChildren2(client: Client, xid: number, reader: Reader): Outcome {
    const { path, watch } = getChildren2Request.decodeFrom(reader);
    const node = this.#readable(client, path);
    if (typeof node === 'number') return node;
    const children = namesOf(node);
    if (!namesFit(client, children, STAT_BYTES)) return errors.MARSHALLING_ERROR;
    if (watch) this.#watch('child', node.path, client);
    const body = { children, stat: node };
    return client.outbox.reply(xid, getChildren2Response, body);
  }

  #getAcl(client: Client, xid: number, reader: Reader): Outcome {
    const { path } = getAclRequest.decodeFrom(reader);
    const node = this.#tree.get(path);
    if (node === undefined) return errors.NO_NODE;
    if (!this.#may(client, permission.read | permission.admin, node)) return errors.NO_AUTH;
    const { entries } = node.acl;
    const acl = this.#may(client, permission.admin, node) ? entries : maskedEntries(entries);
    return client.outbox.reply(xid, getAclResponse, { acl, stat: node });
  }

  /** All results are of one moment: nothing else runs in between. */
  #multiRead(client: Client, xid: number, reader: Reader): Outcome {
    const writer = new Writer();
    const bytesMax = Math.min(MULTI_READ_BYTES_MAX, client.replyBytesMax - HEADER_BYTES);
    for (;;) {
      const { type, done } = multiHeader.decodeFrom(reader);
      if (done) break;
      const isData = type === opCodes.getData;
      if (!isData && type !== opCodes.getChildren) {
        throw new MalformedMessage(`operation ${type} in a multiRead`);
      }
      const { path } = getDataRequest.decodeFrom(reader); // getChildren's has the same layout.
      const node = this.#readable(client, path);
      if (typeof node === 'number') {
        multiHeader.encodeInto(writer, { type: ERROR_OP, done: false, err: node });
        errorResponse.encodeInto(writer, { err: node });
      } else {
        multiHeader.encodeInto(writer, { type, done: false, err: 0 });
        if (isData) getDataResponse.encodeInto(writer, node);
        else getChildrenResponse.encodeInto(writer, { children: namesOf(node) });
      }
      if (writer.sizeBytes > bytesMax) return errors.MARSHALLING_ERROR;
    }
    multiHeader.encodeInto(writer, multiEnd);
    return client.outbox.chunks(xid, 0, writer.finish());
  }

  #setWatches(client: Client, xid: number, held: HeldWatches): Outcome {
    const { outbox } = client;
    this.#expectRoom(client, sizeOf(held));
    catchUp(held, this.#tree, this.#watches, client, (event, path) => {
      outbox.raw(eventFrame(event, path, -1n));
    });
    return outbox.bare(xid, 0);
  }

  #addWatch(client: Client, xid: number, reader: Reader): Outcome {
    const { path, mode } = addWatchRequest.decodeFrom(reader);
    if (mode === watchModes.persistent) this.#watch('persistent', path, client);
    else if (mode === watchModes.persistentRecursive) this.#watch('recursive', path, client);
    else return errors.MARSHALLING_ERROR;
    return client.outbox.sized(xid, errorResponse, { err: 0 }, 4);
  }

  #removeWatches(client: Client, xid: number, reader: Reader, forGood: boolean): Outcome {
    const { path, type } = removeWatchesRequest.decodeFrom(reader);
    const { data, child, persistent, recursive } = this.#watches;
    const kinds = {
      [watcherTypes.children]: [child],
      [watcherTypes.data]: [data],
      [watcherTypes.any]: [data, child, persistent, recursive],
      [watcherTypes.persistent]: [persistent],
      [watcherTypes.persistentRecursive]: [recursive],
    }[type];
    if (kinds === undefined) return errors.MARSHALLING_ERROR;
    const held = kinds.filter((kind) => kind.has(path, client));
    if (held.length === 0) return errors.NO_WATCHER;
    if (forGood) for (const kind of held) kind.remove(path, client);
    return client.outbox.bare(xid, 0);
  }
}

const namesOf = (node: Node): readonly string[] =>
  node.children === null ? [] : [...node.children];

const fits = ({ replyBytesMax }: ReadingClient, bodyBytes: number): boolean =>
  HEADER_BYTES + bodyBytes <= replyBytesMax;

/** Whether a list of names with `moreBytes` behind it is not too long; nearly always nobody limits it. */
function namesFit(client: ReadingClient, names: readonly string[], moreBytes: number): boolean {
  if (client.replyBytesMax === Number.POSITIVE_INFINITY) return true;
  let bodyBytes = LENGTH_BYTES + moreBytes;
  for (const name of names) bodyBytes += LENGTH_BYTES + Buffer.byteLength(name);
  return fits(client, bodyBytes);
}

const sizeOf = (held: HeldWatches): number =>
  held.dataWatches.length +
  held.existWatches.length +
  held.childWatches.length +
  held.persistentWatches.length +
  held.persistentRecursiveWatches.length;
