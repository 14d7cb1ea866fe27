/**
 * Sessions that exist, as of the last applied transaction.
 *
 * A session is a number, a time-out and a password that only its client and the servers know. The
 * password is chosen at random and replicated with the session, so every server that knows the
 * session can check it and nobody can compute it from the number.
 *
 * A local session is known to the server it was made on and to nobody else: no transaction made it,
 * no snapshot holds it, it ends with the server. It becomes a global one, under the same number,
 * before it may own nodes that end with it.
 * Not here: whether a session was heard of lately (expiry.ts), which connection it has (../../server/).
 */

export interface StoredSession {
  readonly id: bigint;
  /** As negotiated when it was made; a later connection may use another. */
  readonly timeoutMs: number;
  readonly password: Buffer;
}

/** Length of the passwords we issue. */
export const PASSWORD_BYTES = 16;

export class SessionTable {
  readonly #byId = new Map<bigint, StoredSession>();
  readonly #local = new Map<bigint, StoredSession>();

  /** Applied createSession; a second time (replay) changes nothing. A local session of this number is one no more. */
  open(session: StoredSession): void {
    this.#local.delete(session.id);
    this.#byId.set(session.id, session);
  }

  openLocal(session: StoredSession): void {
    this.#local.set(session.id, session);
  }

  /** @returns whether there was such a local session */
  closeLocal(id: bigint): boolean {
    return this.#local.delete(id);
  }

  isLocal(id: bigint): boolean {
    return this.#local.has(id);
  }

  get localSize(): number {
    return this.#local.size;
  }

  /** Applied closeSession. */
  close(id: bigint): void {
    this.#byId.delete(id);
  }

  /** Everything that transactions made is about to be made anew. */
  forgetGlobal(): void {
    this.#byId.clear();
  }

  /** Sessions that only this server knows. */
  allLocal(): IterableIterator<StoredSession> {
    return this.#local.values();
  }

  isGlobal(id: bigint): boolean {
    return this.#byId.has(id);
  }

  has(id: bigint): boolean {
    return this.#byId.has(id) || this.#local.has(id);
  }

  get(id: bigint): StoredSession | undefined {
    return this.#byId.get(id) ?? this.#local.get(id);
  }

  /** Global sessions. */
  get size(): number {
    return this.#byId.size;
  }

  /** Every global session, in the order they were made; may be read while sessions come and go. */
  all(): IterableIterator<StoredSession> {
    return this.#byId.values();
  }

  /** Whether this is the session's password; takes as long for a wrong one as for the right one. */
  accepts(id: bigint, password: Buffer | null): boolean {
    const session = this.get(id);
    if (session === undefined || password === null) return false;
    if (password.length !== session.password.length) return false;
    let difference = 0;
    for (const [index, byte] of session.password.entries())
      difference |= byte ^ (password[index] ?? 0);
    return difference === 0;
  }
}

/** The time-out a session gets: what it wishes, within the server's bounds. */
export function negotiatedTimeout(wishedMs: number, minMs: number, maxMs: number): number {
  return Math.min(Math.max(wishedMs, minMs), maxMs);
}

/**
 * The first of the numbers that a server gives to its sessions: its own id on top, then 40 bits of
 * the time of its start, then room to count. No two starts within 139 years share one.
 */
export function firstSessionId(serverId: number, wallTimeMs: number): bigint {
  const time = BigInt.asUintN(64, BigInt(wallTimeMs) << 24n) >> 8n;
  return BigInt.asIntN(64, time | (BigInt(serverId) << 56n));
}
