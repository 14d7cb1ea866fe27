/**
 * What clients of an ensemble did and saw, and when, on one clock (CLOCK_MONOTONIC, milliseconds), which processes
 * of one machine share. Written by the workloads of ours and of foreign clients, judged by verdict.ts and the testkit.
 */
import type { RegisterOperation } from '../../packages/testkit/src/checkers/registers.ts';

/** A node that is made once and never changed or deleted. */
export interface Creation {
  readonly client: string;
  /** Counts the creations of one client in the order in which they were asked for. */
  readonly number: number;
  readonly name: string;
  readonly calledAt: number;
  /** null: no answer. */
  readonly returnedAt: number | null;
}

/** An ephemeral node and the session that holds it. */
export interface Holding {
  readonly client: string;
  readonly name: string;
  readonly sessionId: string;
  /** When its creation was acknowledged. */
  readonly heldFrom: number;
  /** When the last request of that session was sent that had a good answer: until then it was alive. */
  aliveUntil: number;
  /** When its owner learned that it is over, or ended it. */
  endedAt: number | null;
}

/** Who was there: the children of the ephemerals' parent, after a sync. */
export interface RollCall {
  readonly client: string;
  readonly names: ReadonlySet<string>;
  readonly calledAt: number;
  readonly returnedAt: number;
}

export class History {
  readonly registers: RegisterOperation[] = [];
  readonly creations: Creation[] = [];
  readonly holdings: Holding[] = [];
  readonly rollCalls: RollCall[] = [];
  /** Answers that no fault explains, such as a missing node that nobody deletes. */
  readonly surprises: string[] = [];

  /** Writes that were acknowledged. */
  get acknowledged(): number {
    return (
      this.registers.filter(({ kind, returnedAt }) => kind === 'write' && returnedAt !== null)
        .length + this.creations.filter(({ returnedAt }) => returnedAt !== null).length
    );
  }

  /** Takes over what another process wrote, one JSON object per line. */
  read(lines: string): void {
    for (const line of lines.split('\n')) {
      if (!line.startsWith('{"')) continue;
      const entry = JSON.parse(line) as
        | ({ type: 'register' } & RegisterOperation)
        | ({ type: 'creation' } & Creation)
        | ({ type: 'holding' } & Holding)
        | ({ type: 'roll' } & Omit<RollCall, 'names'> & { names: string[] })
        | { type: 'surprise'; text: string };
      switch (entry.type) {
        case 'register':
          this.registers.push(entry);
          break;
        case 'creation':
          this.creations.push(entry);
          break;
        case 'holding':
          this.holdings.push(entry);
          break;
        case 'roll':
          this.rollCalls.push({ ...entry, names: new Set(entry.names) });
          break;
        case 'surprise':
          this.surprises.push(entry.text);
          break;
      }
    }
  }
}

/** Now, on the clock of histories. */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
