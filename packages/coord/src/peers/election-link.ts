/**
 * The way to one server's election port, kept standing: dialed again whenever it is lost, soon at
 * first and then less often, and at once when the other side has called us. Probes find a peer that
 * is there no more without having said so, behind a link that was cut or on a host that stands still.
 *
 * Only the newest note counts: one that cannot leave is forgotten for the next.
 */
import { type Clock, type Disarm, millis, type Timers } from '@odradek/runtime';
import {
  decodeLinkMessage,
  decodeNotification,
  encodeLinkMessage,
  encodeNotification,
} from './codec.ts';
import { NOTE_BYTES_MAX } from './frame.ts';
import type { Attached } from './handshake.ts';
import type { PeerLimits } from './limits.ts';
import type { PeerConnection } from './peer-connection.ts';
import type { Notification } from './types.ts';

export interface ElectionLinkParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: PeerLimits;
  readonly peerId: number;
  /** Calls back once, with a link or with the reason why there is none. */
  readonly dial: (outcome: { answered(link: PeerConnection): Attached; failed(): void }) => void;
  /** @param reason why a link that stood does no more */
  readonly reachable: (isReachable: boolean, reason: string | null) => void;
  readonly notified: (notification: Notification) => void;
}

const PROBE = encodeLinkMessage({ kind: 'probe' });

export class ElectionLink {
  readonly #parts: ElectionLinkParts;
  #link: PeerConnection | null = null;
  #isDialing = false;
  #isStopped = false;
  /** null: nobody has tried yet. */
  #isReachable: boolean | null = null;
  #redialMs: number;
  #missedProbes = 0;
  /** The newest note that has not left. */
  #waiting: Notification | null = null;
  #disarm: Disarm = () => undefined;

  constructor(parts: ElectionLinkParts) {
    this.#parts = parts;
    this.#redialMs = parts.limits.redialMsMin;
  }

  /** Dials now, unless it stands or is being dialed. */
  dial(): void {
    if (this.#isStopped || this.#isDialing || this.#link !== null) return;
    this.#disarm();
    this.#isDialing = true;
    this.#parts.dial({
      answered: (link) => this.#stands(link),
      failed: () => {
        this.#isDialing = false;
        this.#lost(null);
      },
    });
  }

  notify(notification: Notification): void {
    if (this.#link === null) this.#waiting = notification;
    else this.#link.send(encodeNotification(notification));
  }

  stop(reason: string): void {
    this.#isStopped = true;
    this.#disarm();
    this.#link?.close(reason);
    this.#link = null;
  }

  #stands(link: PeerConnection): Attached {
    this.#isDialing = false;
    if (this.#isStopped) {
      link.close('it is wanted no more');
    } else {
      this.#link = link;
      this.#redialMs = this.#parts.limits.redialMsMin;
      this.#missedProbes = 0;
      this.#probeLater(link);
      if (this.#waiting !== null) link.send(encodeNotification(this.#waiting));
      this.#waiting = null;
      this.#tell(true, null);
    }
    return {
      payloadBytesMax: NOTE_BYTES_MAX,
      handler: {
        payload: (payload) => {
          this.#missedProbes = 0;
          if (decodeLinkMessage(payload) === null) {
            this.#parts.notified(decodeNotification(payload));
          }
        },
        closed: (reason) => {
          if (this.#link === link) this.#lost(reason);
        },
      },
    };
  }

  /** Counts probes, not time: a host that stood still itself asks again before it gives up. */
  #probeLater(link: PeerConnection): void {
    const { clock, timers, limits } = this.#parts;
    this.#disarm = timers.wakeAt(millis(clock.now() + limits.probeMs), () => {
      if (this.#link !== link) return;
      if (this.#missedProbes >= limits.missedProbesMax) {
        this.#link = null;
        const reason = `no sign of life for ${this.#missedProbes} probes`;
        link.close(reason);
        this.#lost(reason);
        return;
      }
      this.#missedProbes += 1;
      link.send(PROBE);
      if (this.#link === link) this.#probeLater(link);
    });
  }

  #lost(reason: string | null): void {
    this.#link = null;
    this.#disarm();
    if (this.#isStopped) return;
    const { clock, timers, limits } = this.#parts;
    this.#disarm = timers.wakeAt(millis(clock.now() + this.#redialMs), () => this.dial());
    this.#redialMs = Math.min(2 * this.#redialMs, limits.redialMsMax);
    this.#tell(false, reason);
  }

  #tell(isReachable: boolean, reason: string | null): void {
    if (this.#isReachable === isReachable) return;
    this.#isReachable = isReachable;
    this.#parts.reachable(isReachable, reason);
  }
}
