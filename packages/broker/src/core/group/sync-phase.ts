/**
 * Whose SyncGroup of this generation is still missing, and until when it may come. It goes on in a stable group: the
 * leader's assignment may be stored before every follower has asked for its part.
 */
import type { Millis } from '@odradek/runtime';

export class SyncPhase {
  readonly #missing = new Set<string>();
  #deadline: Millis | null = null;

  get deadline(): Millis | null {
    return this.#missing.size === 0 ? null : this.#deadline;
  }

  begin(members: Iterable<{ readonly memberId: string }>, deadline: Millis): void {
    this.end();
    for (const { memberId } of members) this.#missing.add(memberId);
    this.#deadline = deadline;
  }

  /** It came, or its member is gone. */
  settle(memberId: string): void {
    this.#missing.delete(memberId);
  }

  /** Members that are late; the phase is over then. */
  late(now: Millis): readonly string[] {
    if (this.#deadline === null || this.#deadline > now) return [];
    const late = [...this.#missing];
    this.end();
    return late;
  }

  end(): void {
    this.#missing.clear();
    this.#deadline = null;
  }
}
