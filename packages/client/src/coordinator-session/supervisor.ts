/**
 * The life of a coordinator session: when to dial which server, when to ping, when the link counts
 * as dead although nothing said so, when the session is in doubt, and what follows expiry.
 *
 * A broken link alone is no doubt: the server keeps the session for its time-out, and a coordinator
 * that restarts must not stop its brokers. Doubt is measured from when a request that the server is known to have received was *sent*: the
 * server's own countdown started no earlier than that. Counting from the arrival of an answer would
 * overrate the session by the time the answer took, and a broker could then believe in a session
 * that the server has already ended.
 *
 * Pure: sockets, frames and requests are in coordinator-session-host.ts.
 */
import { type Machine, type Millis, millis, type Tick } from '@odradek/runtime';

/** The part of the session time-out after which silence puts the session in doubt. */
const DOUBT_AFTER = 2 / 3;
/** Pings per session time-out: four may be lost before the session is in doubt. */
const PINGS_PER_TIMEOUT = 6;
/** After all servers failed once, the pause before the next round doubles between these. */
const ROUND_PAUSE_MS_MIN = 100;
const ROUND_PAUSE_MS_MAX = 1_000;
/** How long a closing session waits for the server's word before it just leaves. */
const CLOSE_TIMEOUT_MS = 2_000;

export type SupervisorInput = Readonly<
  | { kind: 'open' }
  /** The TCP connection stands and the handshake was sent. */
  | { kind: 'linkUp' }
  /** The server accepted the session, for this long between two signs of life. */
  | { kind: 'established'; newSession: boolean; sessionTimeoutMs: number }
  /** The server says that the session we asked for is gone. */
  | { kind: 'expired' }
  /** The oldest unanswered ping was answered. */
  | { kind: 'pong' }
  /** The link broke, or none came about. Never after `dropLink`. */
  | { kind: 'linkDown' }
  | { kind: 'close' }
  /** The server confirmed the close. */
  | { kind: 'closeConfirmed' }
>;

export type SupervisorEffect = Readonly<
  | { kind: 'dial'; serverIndex: number; timeoutMs: number }
  | { kind: 'ping' }
  /** Forget the link at once; it reports nothing any more. */
  | { kind: 'dropLink' }
  | { kind: 'announceConnected'; newSession: boolean }
  | { kind: 'announceDoubtful' }
  /** Fail what waits for the old session, announce, start over with a blank one. */
  | { kind: 'replaceSession' }
  | { kind: 'sendClose' }
  | { kind: 'announceClosed' }
>;

export interface SupervisorOptions {
  readonly serverCount: number;
  /** How long one server may take from the dial to the established session. */
  readonly attemptTimeoutMs: number;
  /** Added to every pause between rounds, so that many clients do not come back in step. */
  readonly jitterMs: number;
}

type Phase =
  | { kind: 'new' }
  | { kind: 'paused'; until: Millis }
  | { kind: 'dialing'; until: Millis; handshakeSentAt: Millis | null }
  | { kind: 'connected'; nextPingAt: Millis; pingsSentAt: Millis[] }
  | { kind: 'closing'; until: Millis }
  | { kind: 'closed' };

export class Supervisor implements Machine<SupervisorInput, SupervisorEffect> {
  readonly #options: SupervisorOptions;
  #phase: Phase = { kind: 'new' };
  #sessionTimeoutMs: number;
  /** When the server is known to have kept the session last; null without a session. Outlives links. */
  #provenAt: Millis | null = null;
  #nextServerIndex = 0;
  #failedAttempts = 0;

  constructor(options: SupervisorOptions, sessionTimeoutMs: number) {
    this.#options = options;
    this.#sessionTimeoutMs = sessionTimeoutMs;
  }

  get isConnected(): boolean {
    return this.#phase.kind === 'connected';
  }

  /** Asked to close; takes no more requests. */
  get isClosing(): boolean {
    return this.#phase.kind === 'closing' || this.hasEnded;
  }

  get hasEnded(): boolean {
    return this.#phase.kind === 'closed';
  }

  /** Right at any `now`, also before the tick that acts on it came round. */
  inDoubt(now: Millis): boolean {
    return this.isClosing || this.#provenAt === null || now >= this.#doubtAt(this.#provenAt);
  }

  deadline(): Millis | null {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'connected':
        return millis(
          Math.min(phase.nextPingAt, this.#doubtAt(this.#provenAt ?? phase.nextPingAt)),
        );
      case 'paused':
      case 'dialing':
      case 'closing':
        return phase.until;
      case 'new':
      case 'closed':
        return null;
    }
  }

  step(input: SupervisorInput | Tick, now: Millis): readonly SupervisorEffect[] {
    const phase = this.#phase;
    switch (input.kind) {
      case 'open':
        return phase.kind === 'new' ? this.#dial(now) : [];
      case 'linkUp':
        if (phase.kind === 'dialing') phase.handshakeSentAt = now;
        return [];
      case 'established':
        return phase.kind === 'dialing' ? this.#established(phase, input, now) : [];
      case 'expired':
        if (phase.kind !== 'dialing') return [];
        this.#failedAttempts = 0;
        this.#provenAt = null;
        return [{ kind: 'dropLink' }, { kind: 'replaceSession' }, ...this.#dial(now)];
      case 'pong':
        if (phase.kind === 'connected')
          this.#provenAt = phase.pingsSentAt.shift() ?? this.#provenAt;
        return [];
      case 'linkDown':
        return this.#linkLost(now, []);
      case 'close':
        return this.#close(now);
      case 'closeConfirmed':
        return phase.kind === 'closing' ? this.#closed() : [];
      case 'tick':
        return this.#tick(now);
    }
  }

  #tick(now: Millis): readonly SupervisorEffect[] {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'paused':
        return now >= phase.until ? this.#dial(now) : [];
      case 'dialing':
        return now >= phase.until ? this.#linkLost(now, [{ kind: 'dropLink' }]) : [];
      case 'connected': {
        if (this.inDoubt(now)) return this.#linkLost(now, [{ kind: 'dropLink' }]);
        if (now < phase.nextPingAt) return [];
        phase.pingsSentAt.push(now);
        phase.nextPingAt = this.#pingAfter(now);
        return [{ kind: 'ping' }];
      }
      case 'closing':
        return now >= phase.until ? this.#closed() : [];
      case 'new':
      case 'closed':
        return [];
    }
  }

  #dial(now: Millis): readonly SupervisorEffect[] {
    const timeoutMs = this.#options.attemptTimeoutMs;
    const serverIndex = this.#nextServerIndex;
    this.#nextServerIndex = (serverIndex + 1) % this.#options.serverCount;
    this.#phase = { kind: 'dialing', until: millis(now + timeoutMs), handshakeSentAt: null };
    return [{ kind: 'dial', serverIndex, timeoutMs }];
  }

  #established(
    phase: Phase & { kind: 'dialing' },
    input: SupervisorInput & { kind: 'established' },
    now: Millis,
  ): readonly SupervisorEffect[] {
    this.#failedAttempts = 0;
    this.#sessionTimeoutMs = input.sessionTimeoutMs;
    this.#provenAt = phase.handshakeSentAt ?? now;
    this.#phase = {
      kind: 'connected',
      nextPingAt: this.#pingAfter(now),
      pingsSentAt: [],
    };
    return [{ kind: 'announceConnected', newSession: input.newSession }];
  }

  #linkLost(now: Millis, first: readonly SupervisorEffect[]): readonly SupervisorEffect[] {
    switch (this.#phase.kind) {
      case 'closing':
        return this.#closed();
      case 'connected':
        return [...first, { kind: 'announceDoubtful' }, ...this.#dial(now)];
      case 'dialing':
        return [...first, ...this.#retry(now)];
      case 'new':
      case 'paused':
      case 'closed':
        return first;
    }
  }

  /** The next server at once, until all have failed; then a pause. */
  #retry(now: Millis): readonly SupervisorEffect[] {
    this.#failedAttempts += 1;
    const rounds = Math.floor(this.#failedAttempts / this.#options.serverCount);
    if (this.#failedAttempts % this.#options.serverCount !== 0) return this.#dial(now);
    const pauseMs = Math.min(ROUND_PAUSE_MS_MIN * 2 ** (rounds - 1), ROUND_PAUSE_MS_MAX);
    this.#phase = { kind: 'paused', until: millis(now + pauseMs + this.#options.jitterMs) };
    return [];
  }

  #close(now: Millis): readonly SupervisorEffect[] {
    switch (this.#phase.kind) {
      case 'connected':
        this.#phase = { kind: 'closing', until: millis(now + CLOSE_TIMEOUT_MS) };
        return [{ kind: 'sendClose' }];
      case 'new':
      case 'paused':
      case 'dialing':
        return this.#closed();
      case 'closing':
      case 'closed':
        return [];
    }
  }

  #closed(): readonly SupervisorEffect[] {
    this.#phase = { kind: 'closed' };
    return [{ kind: 'dropLink' }, { kind: 'announceClosed' }];
  }

  #doubtAt(provenAt: Millis): Millis {
    return millis(provenAt + this.#sessionTimeoutMs * DOUBT_AFTER);
  }

  #pingAfter(now: Millis): Millis {
    return millis(now + this.#sessionTimeoutMs / PINGS_PER_TIMEOUT);
  }
}
