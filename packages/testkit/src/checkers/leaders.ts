/**
 * At most one leader for each epoch, epochs that only rise, and never one that no quorum can stand behind:
 * held against the roles that servers announce (I1, I4).
 */
import type { Role } from '@odradek/coord';

interface Leadership {
  readonly server: string;
  readonly sinceMs: number;
}

export class Leaders {
  readonly breaches: string[] = [];
  readonly #byEpoch = new Map<number, Leadership>();
  readonly #roles = new Map<string, { role: Role; epoch: number }>();

  /** How often somebody began to lead. */
  get leaderships(): number {
    return this.#byEpoch.size;
  }

  /** Servers that lead or follow at present, with the epoch of it. */
  get present(): ReadonlyMap<string, { readonly role: Role; readonly epoch: number }> {
    return this.#roles;
  }

  took(server: string, role: Role, epoch: number, atMs: number): void {
    this.#roles.set(server, { role, epoch });
    if (role !== 'leading') return;
    const other = this.#byEpoch.get(epoch);
    if (other !== undefined) {
      this.breaches.push(
        `${server} leads epoch ${epoch} since ${atMs.toFixed(3)} ms, ` +
          `${other.server} had led it since ${other.sinceMs.toFixed(3)} ms`,
      );
    }
    const greatest = Math.max(0, ...this.#byEpoch.keys());
    // A later epoch needs a quorum's promise, which no earlier one can get after it.
    if (epoch < greatest) {
      this.breaches.push(`${server} leads epoch ${epoch} after epoch ${greatest} was led`);
    }
    this.#byEpoch.set(epoch, { server, sinceMs: atMs });
  }

  /** Its program is gone. */
  gone(server: string): void {
    this.#roles.set(server, { role: 'looking', epoch: 0 });
  }
}
