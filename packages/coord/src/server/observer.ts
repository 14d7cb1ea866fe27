/**
 * Who looks over a server's shoulder: for checks that compare what the servers of an ensemble did. A
 * server without one pays nothing for it.
 */
import type { TransactionRecord } from '../core/transaction/record.ts';
import type { Role } from '../replica/types.ts';

export interface CoordinatorObserver {
  /**
   * The state is made anew: at the start, from a leader's snapshot, or after a cut.
   * @param snapshotZxid of the snapshot it begins with; 0 without one
   */
  loading(snapshotZxid: bigint): void;
  /** A record of the log on top of it; the last ones may not be certain yet. */
  replayed(record: TransactionRecord): void;
  /** A committed transaction, in order, right after it was applied. */
  applied(record: TransactionRecord): void;
  /** The server took a role or lost it; `epoch` is that of the leadership, 0 while looking. */
  role(role: Role, epoch: number): void;
}
