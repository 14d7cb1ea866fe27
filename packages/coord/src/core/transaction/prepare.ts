/**
 * Preparing: from a wish to a decided transaction.
 *
 * Each write is checked in the order that the original checks it, because clients and their test
 * suites see which of two errors wins (the reference lists the orders), against the tree with all
 * outstanding changes. What comes out is deterministic. Refusals come out as records too.
 * Not here: zxids and times, which are handed in; applying (apply.ts).
 */
import { zookeeperErrorCodes as errorCodes } from '@odradek/protocol/zookeeper';
import type { SessionTable } from '../session/session-table.ts';
import {
  type Acl,
  type AclEntry,
  type AclSchemes,
  type Identity,
  openAcl,
  permission,
  permits,
  resolveAcl,
} from '../tree/acl.ts';
import { CONTAINER_OWNER, kindOfOwner, TTL_MS_MAX, ttlOwner } from '../tree/node.ts';
import { isAddressable, isValidPath, parentOf, sequenceSuffix } from '../tree/path.ts';
import { CONFIG_PATH, isSystemPath, type Tree } from '../tree/tree.ts';
import { withVersion } from './members.ts';
import { milestoneOf, nextVersion, type SequenceMilestone } from './number-spaces.ts';
import { type NodeView, Outstanding } from './outstanding.ts';
import { type QuotaExcess, QuotaLedger } from './quota-ledger.ts';
import type { Change } from './record.ts';
import type { Operation, WriteRequest } from './request.ts';

/** Who asks, and when it is. */
export interface Requester {
  /** 0 for the server itself. */
  readonly sessionId: bigint;
  readonly identities: readonly Identity[];
  /** Only the server that its client is connected to knows the session, and vouches for it. */
  readonly isLocal?: boolean;
}

/** Decides changes of the ensemble's members. */
export interface MembershipRules {
  /**
   * Everything but whether the requester may do it.
   * @returns the text of the new members, its version being `zxid`; or an error code
   */
  decide(request: ReconfigRequest, zxid: bigint): string | number;
}

export type ReconfigRequest = Extract<WriteRequest, { kind: 'reconfig' }>;

export interface PrepareOptions {
  /** Grants everybody everything; lists are still checked for form. */
  readonly skipAcl: boolean;
  /** Whether TTL nodes may be made. */
  readonly extendedTypes: boolean;
  /** What lists may name. */
  readonly schemes: AclSchemes;
  /** Whether clients may ask for other members of the ensemble. */
  readonly reconfigEnabled: boolean;
  /** Whether writes beyond a hard quota are refused. */
  readonly enforceQuota: boolean;
  /** null: a server alone, which has no members to change. */
  readonly membership: MembershipRules | null;
  readonly notices: Notices;
}

/** Hears of what an operator should know. */
export interface Notices {
  /** A write goes beyond a limit; whether it was refused for it. */
  quotaExceeded(excess: QuotaExcess, isRefused: boolean): void;
  /** So many nodes were made under `path` that their numbers become a matter of concern. */
  sequenceReached(path: string, milestone: SequenceMilestone): void;
}

type CreateOperation = Extract<Operation, { kind: 'create' }>;

export class Preparer {
  readonly #outstanding: Outstanding;
  readonly #quotas: QuotaLedger;
  readonly #sessions: SessionTable;
  readonly #options: PrepareOptions;
  /** Sessions whose end is prepared: they may not write any more. */
  readonly #closing = new Set<bigint>();
  /** Sessions whose beginning is prepared: they may write already. */
  readonly #opening = new Set<bigint>();

  constructor(tree: Tree, sessions: SessionTable, options: PrepareOptions) {
    this.#outstanding = new Outstanding(tree);
    this.#quotas = new QuotaLedger(tree.quotas);
    this.#sessions = sessions;
    this.#options = options;
  }

  /** Decides a write that will have `zxid`. Transactions must be applied in the order they were prepared. */
  prepare(request: WriteRequest, requester: Requester, zxid: bigint): Change {
    const change = this.#decide(request, requester, zxid);
    if (typeof change !== 'number') {
      this.#outstanding.keep();
      this.#quotas.keep();
      return change;
    }
    this.#undo();
    return refusal(change, -1);
  }

  /** The tree has caught up with `zxid`. */
  applied(zxid: bigint): void {
    this.#outstanding.applied(zxid);
    this.#quotas.applied(zxid);
  }

  /** The beginning of this session was applied. */
  opened(sessionId: bigint): void {
    this.#opening.delete(sessionId);
  }

  /** The end of this session was applied. */
  closed(sessionId: bigint): void {
    this.#closing.delete(sessionId);
  }

  /** Whether the session's end is prepared and not yet applied. */
  isClosing(sessionId: bigint): boolean {
    return this.#closing.has(sessionId);
  }

  /** Nodes with changes on their way. */
  get outstandingCount(): number {
    return this.#outstanding.size;
  }

  #decide(request: WriteRequest, requester: Requester, zxid: bigint): Change | number {
    const { sessionId } = requester;
    if (request.kind === 'createSession') {
      const { timeoutMs, password } = request;
      this.#opening.add(sessionId);
      return { kind: 'createSession', timeoutMs, password };
    }
    if (request.kind === 'reap') return this.#reap(request.path, zxid);
    if (request.kind === 'adoptMembers') {
      return this.#setMembers(withVersion(request.text, zxid), zxid);
    }
    // A session ends once; and what comes behind its end has no session any more.
    if (!this.#isOpen(requester) || this.#closing.has(sessionId)) {
      return errorCodes.SESSION_EXPIRED;
    }
    switch (request.kind) {
      case 'closeSession':
        return this.#closeSession(sessionId, zxid);
      case 'multi':
        return this.#multi(request.operations, requester, zxid);
      case 'refused':
        return request.wire;
      case 'reconfig':
        return this.#reconfig(request, requester, zxid);
      default:
        return this.#operation(request, requester, zxid, false);
    }
  }

  #isOpen({ sessionId, isLocal }: Requester): boolean {
    return this.#sessions.has(sessionId) || isLocal === true || this.#opening.has(sessionId);
  }

  #reconfig(request: ReconfigRequest, requester: Requester, zxid: bigint): Change | number {
    const { reconfigEnabled, membership } = this.#options;
    if (!reconfigEnabled) return errorCodes.RECONFIG_DISABLED;
    if (membership === null) return errorCodes.UNIMPLEMENTED;
    const node = this.#outstanding.find(CONFIG_PATH);
    if (node === undefined) return errorCodes.NO_NODE;
    const text = membership.decide(request, zxid);
    if (typeof text === 'number') return text;
    if (!this.#mayDo(node, permission.write, requester)) return errorCodes.NO_AUTH;
    return this.#setMembers(text, zxid);
  }

  #setMembers(text: string, zxid: bigint): Change | number {
    const node = this.#outstanding.find(CONFIG_PATH);
    if (node === undefined) return errorCodes.NO_NODE;
    const data = Buffer.from(text);
    const version = nextVersion(node.version);
    this.#outstanding.put(CONFIG_PATH, { ...viewOf(node), version, dataLength: data.length }, zxid);
    return { kind: 'setData', path: CONFIG_PATH, data, version };
  }

  #operation(
    operation: Operation,
    requester: Requester,
    zxid: bigint,
    inMulti: boolean,
  ): Change | number {
    switch (operation.kind) {
      case 'create':
        return this.#create(operation, requester, zxid, inMulti);
      case 'delete':
        return this.#delete(operation.path, operation.version, requester, zxid);
      case 'setData': {
        const { path, data, version } = operation;
        const node = this.#checked(path, permission.write, requester);
        if (typeof node === 'number') return node;
        const dataLength = data === null ? 0 : data.length;
        const moreBytes = dataLength - node.dataLength;
        if (!this.#hasRoom(path, 0, moreBytes)) return errorCodes.QUOTA_EXCEEDED;
        if (version !== -1 && version !== node.version) return errorCodes.BAD_VERSION;
        const next = nextVersion(node.version);
        this.#outstanding.put(path, { ...viewOf(node), version: next, dataLength }, zxid);
        this.#quotas.charge(path, 0, moreBytes, zxid);
        return { kind: 'setData', path, data, version: next };
      }
      case 'setAcl': {
        const { path, version } = operation;
        if (!isValidPath(path)) return errorCodes.BAD_ARGUMENTS;
        const entries = resolveAcl(operation.acl, requester.identities, this.#options.schemes);
        if (entries === null) return errorCodes.INVALID_ACL;
        const node = this.#checked(path, permission.admin, requester);
        if (typeof node === 'number') return node;
        if (version !== -1 && version !== node.aversion) return errorCodes.BAD_VERSION;
        const next = nextVersion(node.aversion);
        const acl = pendingAcl(entries);
        this.#outstanding.put(path, { ...viewOf(node), acl, aversion: next }, zxid);
        return { kind: 'setAcl', path, acl: storedEntries(acl), version: next };
      }
      case 'check': {
        const node = this.#checked(operation.path, permission.read, requester);
        if (typeof node === 'number') return node;
        if (operation.version !== -1 && operation.version !== node.version) {
          return errorCodes.BAD_VERSION;
        }
        return { kind: 'check', path: operation.path };
      }
    }
  }

  /** The node when its path is well formed, it is there, and the requester may do `wanted`. */
  #checked(path: string, wanted: number, requester: Requester): NodeView | number {
    if (!isValidPath(path)) return errorCodes.BAD_ARGUMENTS;
    const node = this.#outstanding.find(path);
    if (node === undefined) return errorCodes.NO_NODE;
    return this.#mayDo(node, wanted, requester) ? node : errorCodes.NO_AUTH;
  }

  #mayDo(node: NodeView, wanted: number, { identities }: Requester): boolean {
    return node.acl.isOpen || this.#options.skipAcl || permits(node.acl, wanted, identities);
  }

  #create(
    operation: CreateOperation,
    requester: Requester,
    zxid: bigint,
    inMulti: boolean,
  ): Change | number {
    const kind = this.#kindToCreate(operation, requester.sessionId, inMulti);
    if (typeof kind === 'number') return kind;
    let { path } = operation;
    if (!isAddressable(path)) return errorCodes.BAD_ARGUMENTS;
    const entries = resolveAcl(operation.acl, requester.identities, this.#options.schemes);
    if (entries === null) return errorCodes.INVALID_ACL;
    const parentPath = parentOf(path);
    const parent = this.#outstanding.find(parentPath);
    if (parent === undefined) return errorCodes.NO_NODE;
    if (!this.#mayDo(parent, permission.create, requester)) return errorCodes.NO_AUTH;
    if (kind.sequential) path += sequenceSuffix(parent.creationCount);
    if (!isValidPath(path)) return errorCodes.BAD_ARGUMENTS;
    if (this.#outstanding.find(path) !== undefined) return errorCodes.NODE_EXISTS;
    if (kindOfOwner(parent.owner) === 'ephemeral') return errorCodes.NO_CHILDREN_FOR_EPHEMERALS;
    const { data } = operation;
    const dataLength = data === null ? 0 : data.length;
    if (!this.#hasRoom(path, 1, dataLength)) return errorCodes.QUOTA_EXCEEDED;
    const parentCreationCount = parent.creationCount + 1;
    const acl = pendingAcl(entries);
    this.#outstanding.put(
      parentPath,
      {
        ...viewOf(parent),
        creationCount: parentCreationCount,
        numChildren: parent.numChildren + 1,
      },
      zxid,
    );
    this.#outstanding.put(path, freshView(acl, kind.owner, dataLength), zxid);
    this.#quotas.charge(path, 1, dataLength, zxid);
    const milestone = milestoneOf(parentCreationCount);
    if (milestone !== null) this.#options.notices.sequenceReached(parentPath, milestone);
    const { owner } = kind;
    return { kind: 'create', path, data, acl: storedEntries(acl), owner, parentCreationCount };
  }

  /** Reads variant and flags: who will own the node and whether its name gets a number. */
  #kindToCreate(
    { variant, flags, ttlMs }: CreateOperation,
    sessionId: bigint,
    inMulti: boolean,
  ): { owner: bigint; sequential: boolean } | number {
    if (!Number.isInteger(flags) || flags < 0 || flags > 6) return errorCodes.BAD_ARGUMENTS;
    switch (variant) {
      case 'createContainer':
        return flags === 0 || flags === 4
          ? { owner: CONTAINER_OWNER, sequential: false }
          : errorCodes.BAD_ARGUMENTS;
      case 'createTtl':
        if (flags < 5) return errorCodes.BAD_ARGUMENTS;
        if (!this.#options.extendedTypes) return errorCodes.UNIMPLEMENTED;
        if (ttlMs < 1n || ttlMs > BigInt(TTL_MS_MAX)) return errorCodes.BAD_ARGUMENTS;
        return { owner: ttlOwner(Number(ttlMs)), sequential: flags === 6 };
      case 'create': {
        if (flags > 4) return errorCodes.BAD_ARGUMENTS;
        // The original makes a container of flag 4 only inside a multi.
        if (flags === 4) return { owner: inMulti ? CONTAINER_OWNER : 0n, sequential: false };
        return { owner: (flags & 1) === 0 ? 0n : sessionId, sequential: (flags & 2) !== 0 };
      }
    }
  }

  #delete(path: string, version: number, requester: Requester, zxid: bigint): Change | number {
    if (!isAddressable(path) || isSystemPath(path)) return errorCodes.BAD_ARGUMENTS;
    const parent = this.#outstanding.find(parentOf(path));
    if (parent === undefined) return errorCodes.NO_NODE;
    if (!this.#mayDo(parent, permission.delete, requester)) return errorCodes.NO_AUTH;
    const node = this.#outstanding.find(path);
    if (node === undefined) return errorCodes.NO_NODE;
    if (version !== -1 && version !== node.version) return errorCodes.BAD_VERSION;
    if (node.numChildren > 0) return errorCodes.NOT_EMPTY;
    this.#putDeleted(path, zxid);
    return { kind: 'delete', path };
  }

  /** Looked at again here: since the reaper saw it, somebody may have used it. */
  #reap(path: string, zxid: bigint): Change | number {
    const node = this.#outstanding.find(path);
    if (node === undefined) return errorCodes.NO_NODE;
    const kind = kindOfOwner(node.owner);
    if (kind !== 'container' && kind !== 'ttl') return errorCodes.BAD_ARGUMENTS;
    if (node.numChildren > 0) return errorCodes.NOT_EMPTY;
    this.#putDeleted(path, zxid);
    return { kind: 'delete', path };
  }

  /** Whether the quota allows it; says so where it does not, or only just does. */
  #hasRoom(path: string, count: number, bytes: number): boolean {
    const { enforceQuota, notices } = this.#options;
    let hasRoom = true;
    for (const excess of this.#quotas.excesses(path, count, bytes)) {
      const isRefused = excess.isHard && enforceQuota;
      notices.quotaExceeded(excess, isRefused);
      if (isRefused) hasRoom = false;
    }
    return hasRoom;
  }

  #undo(): void {
    this.#outstanding.undo();
    this.#quotas.undo();
  }

  #putDeleted(path: string, zxid: bigint): void {
    const node = this.#outstanding.find(path);
    if (node !== undefined) this.#quotas.charge(path, -1, -node.dataLength, zxid);
    const parentPath = parentOf(path);
    const parent = this.#outstanding.find(parentPath);
    if (parent !== undefined) {
      const numChildren = parent.numChildren - 1;
      this.#outstanding.put(parentPath, { ...viewOf(parent), numChildren }, zxid);
    }
    this.#outstanding.put(path, null, zxid);
  }

  #multi(operations: readonly Operation[], requester: Requester, zxid: bigint): Change {
    const changes: Change[] = [];
    for (const [index, operation] of operations.entries()) {
      const change = this.#operation(operation, requester, zxid, true);
      if (typeof change === 'number') {
        this.#undo();
        return refusal(change, index);
      }
      changes.push(change);
    }
    return { kind: 'multi', changes };
  }

  #closeSession(sessionId: bigint, zxid: bigint): Change {
    const paths = this.#outstanding.ephemeralsOf(sessionId);
    for (const path of paths) this.#putDeleted(path, zxid);
    this.#closing.add(sessionId);
    return { kind: 'closeSession', paths };
  }
}

const refusal = (wire: number, failedIndex: number): Change => ({
  kind: 'error',
  wire,
  failedIndex,
});

/** A plain copy: tree nodes answer by getters, which a spread would lose. */
const viewOf = (node: NodeView): NodeView => ({
  acl: node.acl,
  owner: node.owner,
  version: node.version,
  aversion: node.aversion,
  creationCount: node.creationCount,
  numChildren: node.numChildren,
  dataLength: node.dataLength,
});

const freshView = (acl: Acl, owner: bigint, dataLength: number): NodeView => ({
  acl,
  owner,
  version: 0,
  aversion: 0,
  creationCount: 0,
  numChildren: 0,
  dataLength,
});

const pendingAcl = (entries: readonly AclEntry[]): Acl =>
  entries === openAcl.entries ? openAcl : { entries, isOpen: false };

const storedEntries = (acl: Acl): readonly AclEntry[] | null => (acl.isOpen ? null : acl.entries);
