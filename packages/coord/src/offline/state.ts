/** What a server knows, held by an offline tool: tree and sessions as of a transaction. */
import { SessionTable, type StoredSession } from '../core/session/session-table.ts';
import { Tree } from '../core/tree/tree.ts';
import { encodeEntry, encodeNode } from '../server/record-codec.ts';

export class State {
  readonly tree = new Tree();
  readonly sessions = new SessionTable();
  /** Of the last transaction in it; 0 for none. */
  zxid = 0n;

  /** As a snapshot holds it: sessions first, so that a replay knows them. */
  *entries(): Iterable<Uint8Array> {
    for (const session of this.sessions.all()) yield encodeEntry({ kind: 'session', session });
    for (const node of this.tree.all()) yield encodeNode(node);
  }

  get summary(): StateSummary {
    const { tree, sessions, zxid } = this;
    return {
      zxid,
      nodeCount: tree.nodeCount - 1, // The root counts twice there.
      ephemeralCount: tree.ephemeralCount,
      sessionCount: sessions.size,
      dataBytes: tree.dataSizeBytes,
    };
  }
}

export interface StateSummary {
  readonly zxid: bigint;
  readonly nodeCount: number;
  readonly ephemeralCount: number;
  readonly sessionCount: number;
  /** Bytes of paths and data. */
  readonly dataBytes: number;
}

/** What a tool says while it works. */
export interface Progress {
  /** How far it is. */
  step(text: string): void;
  /** Something that the operator should know. */
  warn(text: string): void;
}

export const silent: Progress = { step() {}, warn() {} };

export const hex = (zxid: bigint): string => `0x${BigInt.asUintN(64, zxid).toString(16)}`;

export type { StoredSession };
