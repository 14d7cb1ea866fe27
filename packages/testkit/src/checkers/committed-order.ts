/**
 * Agreement: all servers apply one sequence. Here it is put together from what each server applied, and
 * each server is held against it: nobody leaves out, adds, changes or repeats anything (I5 to I8 of the
 * list of invariants).
 *
 * What a server reads from its own disk when it starts may end in transactions that nobody committed; that
 * end counts only once the server goes on from it.
 */
import type { Change, TransactionRecord } from '@odradek/coord';

/** How many breaches are told; more say nothing new. */
const BREACHES_MAX = 20;

interface Position {
  /** Index of the last one that was applied; -1 before the first. */
  index: number;
  /** Read from the disk and not gone on from yet; null: nothing such. */
  tentative: { readonly snapshotZxid: bigint; readonly records: TransactionRecord[] } | null;
}

export interface Committed {
  readonly record: TransactionRecord;
  readonly fingerprint: string;
  /** When the first server applied it. */
  readonly appliedAtUs: number;
  readonly appliedBy: string;
}

export class CommittedOrder {
  readonly breaches: string[] = [];
  readonly #order: Committed[] = [];
  readonly #indexes = new Map<bigint, number>();
  readonly #positions = new Map<string, Position>();

  get transactions(): readonly Committed[] {
    return this.#order;
  }

  at(zxid: bigint): Committed | null {
    const index = this.#indexes.get(zxid);
    return index === undefined ? null : (this.#order[index] ?? null);
  }

  /** The last zxid that a server applied; 0 before the first. */
  positionOf(server: string): bigint {
    const position = this.#positions.get(server);
    return position === undefined ? 0n : this.#zxidAt(position.index);
  }

  /** A server begins anew, from a snapshot (0: from nothing). */
  loading(server: string, snapshotZxid: bigint): void {
    const position = this.#positionOf(server);
    position.tentative = { snapshotZxid, records: [] };
  }

  /** What its log has on top of it. */
  replayed(server: string, record: TransactionRecord): void {
    const { tentative } = this.#positionOf(server);
    if (tentative === null) this.#breach(server, 'replays without having begun anew');
    else tentative.records.push(record);
  }

  /** It goes on from what it has: that is committed. */
  settled(server: string, atUs: number): void {
    const position = this.#positionOf(server);
    const { tentative } = position;
    if (tentative === null) return;
    position.tentative = null;
    const { snapshotZxid, records } = tentative;
    if (snapshotZxid === 0n) position.index = -1;
    else {
      const index = this.#floor(snapshotZxid);
      position.index = index;
      if (this.#zxidAt(index) !== snapshotZxid && !this.#isEpochStart(snapshotZxid)) {
        this.#breach(server, `has a snapshot of ${hex(snapshotZxid)}, which nobody committed`);
      }
    }
    for (const record of records) {
      // A snapshot is written while things go on: the log may begin before its end.
      if (record.zxid > snapshotZxid) this.#advance(server, position, record, atUs);
    }
  }

  applied(server: string, record: TransactionRecord, atUs: number): void {
    this.settled(server, atUs);
    this.#advance(server, this.#positionOf(server), record, atUs);
  }

  #advance(server: string, position: Position, record: TransactionRecord, atUs: number): void {
    const next = position.index + 1;
    const expected = this.#order[next];
    const fingerprint = fingerprintOf(record);
    if (expected === undefined) {
      const lastZxid = this.#zxidAt(position.index);
      if (record.zxid <= lastZxid) {
        this.#breach(server, `applies ${hex(record.zxid)} after ${hex(lastZxid)}`);
      }
      this.#order.push({ record, fingerprint, appliedAtUs: atUs, appliedBy: server });
      this.#indexes.set(record.zxid, next);
    } else if (expected.fingerprint !== fingerprint) {
      this.#breach(
        server,
        `applies ${fingerprint} where ${expected.appliedBy} applied ${expected.fingerprint}`,
      );
    }
    position.index = next;
  }

  #positionOf(server: string): Position {
    let position = this.#positions.get(server);
    if (position === undefined) {
      position = { index: -1, tentative: null };
      this.#positions.set(server, position);
    }
    return position;
  }

  #zxidAt(index: number): bigint {
    return this.#order[index]?.record.zxid ?? 0n;
  }

  #isEpochStart(zxid: bigint): boolean {
    return BigInt.asUintN(32, zxid) === 0n;
  }

  /** Index of the last transaction that is not above `zxid`. */
  #floor(zxid: bigint): number {
    let low = -1;
    let high = this.#order.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#zxidAt(middle) <= zxid) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #breach(server: string, text: string): void {
    if (this.breaches.length < BREACHES_MAX) this.breaches.push(`${server} ${text}`);
  }
}

export const hex = (zxid: bigint): string => `0x${BigInt.asUintN(64, zxid).toString(16)}`;

/** All of a transaction in one line; equal lines, equal transactions. */
export function fingerprintOf({ zxid, timeMs, sessionId, change }: TransactionRecord): string {
  return `${hex(zxid)} at ${timeMs} by ${hex(sessionId)}: ${changeText(change)}`;
}

function changeText(change: Change): string {
  switch (change.kind) {
    case 'create':
      return `create ${change.path} ${dataText(change.data)} owner ${hex(change.owner)} nth ${change.parentCreationCount}`;
    case 'setData':
      return `setData ${change.path} ${dataText(change.data)} version ${change.version}`;
    case 'setAcl':
      return `setAcl ${change.path} version ${change.version}`;
    case 'multi':
      return `multi [${change.changes.map(changeText).join('; ')}]`;
    case 'closeSession':
      return `closeSession [${change.paths.join(' ')}]`;
    case 'createSession':
      return `createSession ${change.timeoutMs} ${change.password.toString('hex')}`;
    case 'error':
      return `error ${change.wire} at ${change.failedIndex}`;
    default:
      return `${change.kind} ${change.path}`;
  }
}

const TEXT_SHOWN = 40;

function dataText(data: Buffer | null): string {
  if (data === null) return 'null';
  const text = data.toString();
  return text.length <= TEXT_SHOWN
    ? JSON.stringify(text)
    : `${JSON.stringify(text.slice(0, TEXT_SHOWN))}+${text.length}`;
}
