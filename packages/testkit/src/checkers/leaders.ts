/**
 * At most one leader for each epoch: held against the roles that servers announce (I1). That one announces itself
 * late, when a later epoch is led already, may be: it was stopped in between, and can commit nothing any more.
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

  /** Whoever led or followed at any time: its disk has been in line with a leader's. */
  readonly everServed = new Set<string>();

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
    if (role !== 'looking') this.everServed.add(server);
    if (role !== 'leading') return;
    const other = this.#byEpoch.get(epoch);
    if (other !== undefined) {
      this.breaches.push(
        `${server} leads epoch ${epoch} since ${atMs.toFixed(3)} ms, ` +
          `${other.server} had led it since ${other.sinceMs.toFixed(3)} ms`,
      );
    }
    this.#byEpoch.set(epoch, { server, sinceMs: atMs });
  }

  /** Its program is gone. */
  gone(server: string): void {
    this.#roles.set(server, { role: 'looking', epoch: 0 });
  }
}
