/**
 * One end of a simulated TCP connection: what the program wrote and the system has not taken, what is on
 * its way, what has arrived and was not received. In order, without loss while it stands; when the link is
 * cut it waits and goes on after the link is healed, or is given up at last.
 */
import type { Connection, ConnectionHandler } from '@odradek/runtime';
import type { Draw } from '../world/draw.ts';
import type { SimulatedProcess } from '../world/process.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { type Trace, traceKinds } from '../world/trace.ts';
import type { Link } from './link.ts';

/** From here on `write` asks to hold back; as in runtime's network. */
const SEND_QUEUE_BYTES = 256 * 1024;
/** What the two systems hold between two programs. */
const WINDOW_BYTES = 192 * 1024;
/** Bytes are put together into receipts of at most this size. */
const RECEIPT_BYTES = 64 * 1024;
/** Of the receipts, how many come in two pieces. */
const SPLIT_SHARE = 0.05;
/** How often bytes are received right where the receiver wants them, if it says. */
const ROOM_USED_SHARE = 0.7;
/** What received memory is filled with once the receiver has had its chance to look. */
const POISON = 0xdb;

/** What all connections of a world share. */
export interface NetworkParts {
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly draw: Draw;
  /** Receipts come at multiples of this: an interface that interrupts for each packet has 1. */
  readonly coalesceUs: number;
  /** How long a system tries to bring bytes to a peer that does not answer. */
  readonly giveUpUs: number;
}

/** A host as its connections see it. */
export interface Machine {
  readonly index: number;
  readonly address: string;
  /** false: no power; packets to it vanish. */
  readonly isOn: boolean;
  /** Of the current boot: connections of earlier ones are unknown to it. */
  readonly boot: number;
}

type Segment =
  | { readonly kind: 'data'; readonly bytes: Buffer; readonly arrivesAtUs: number }
  | { readonly kind: 'end' | 'reset'; readonly arrivesAtUs: number };

interface Unsent {
  readonly bytes: Uint8Array;
  readonly taken: (() => void) | undefined;
}

/** A failure as a socket reports it. */
const socketError = (code: string): Error =>
  Object.assign(new Error(`${code === 'ETIMEDOUT' ? 'read' : 'write'} ${code}`), { code });

export class Endpoint implements Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly process: SimulatedProcess;
  readonly machine: Machine;
  readonly #boot: number;
  readonly #parts: NetworkParts;
  /** From here to there, and back. */
  readonly #out: Link;
  readonly #back: Link;
  #handler: ConnectionHandler | null = null;
  readonly #tie: { peer: Endpoint | null } = { peer: null };
  #unsent: Unsent[] = [];
  #unsentBytes = 0;
  #drainOwed = false;
  #corked = 0;
  /** Taken from the program here, not received by the program there. */
  #windowBytes = 0;
  /** On its way from here. */
  #flying: Segment[] = [];
  #lastArrivalUs = 0;
  #isFlightScheduled = false;
  #isStalled = false;
  /** Arrived here, not received. */
  #arrived: Segment[] = [];
  #isReceiptScheduled = false;
  /** Where the receiver wants the next bytes, if it has said. */
  #room: Buffer | null = null;
  #isPaused = false;
  #endAsked = false;
  #endSent = false;
  #endReceived = false;
  #isClosed = false;

  constructor(
    parts: NetworkParts,
    process: SimulatedProcess,
    machine: Machine,
    links: { readonly out: Link; readonly back: Link },
    address: {
      readonly remoteAddress: string;
      readonly remotePort: number;
      readonly localPort: number;
    },
  ) {
    this.#parts = parts;
    this.process = process;
    this.machine = machine;
    this.#boot = machine.boot;
    this.#out = links.out;
    this.#back = links.back;
    this.remoteAddress = address.remoteAddress;
    this.remotePort = address.remotePort;
    this.localPort = address.localPort;
    process.whenDead(() => this.#programDied());
  }

  /** Ties two ends together. */
  static join(one: Endpoint, other: Endpoint): void {
    one.#tie.peer = other;
    other.#tie.peer = one;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  attach(handler: ConnectionHandler): void {
    this.#handler = handler;
    this.#scheduleReceipt(); // What came before the program accepted.
  }

  write(bytes: Uint8Array, taken?: () => void): boolean {
    if (this.#isClosed || this.#endAsked) {
      if (taken !== undefined) queueMicrotask(taken);
      return false;
    }
    this.#unsent.push({ bytes, taken });
    this.#unsentBytes += bytes.byteLength;
    if (this.#corked === 0) this.#pump();
    if (this.#unsentBytes < SEND_QUEUE_BYTES) return true;
    this.#drainOwed = true;
    return false;
  }

  cork(): void {
    this.#corked += 1;
  }

  uncork(): void {
    this.#corked = Math.max(0, this.#corked - 1);
    if (this.#corked === 0) this.#pump();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#scheduleReceipt();
  }

  end(): void {
    if (this.#isClosed || this.#endAsked) return;
    this.#endAsked = true;
    this.#pump();
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#leave(this.#arrived.some(({ kind }) => kind === 'data') ? 'reset' : 'end');
    this.#close(undefined);
  }

  /** The connection is broken for both sides at once: a reset from somewhere between. */
  break(): void {
    for (const end of [this, this.#tie.peer]) {
      if (end === null || end.#isClosed) continue;
      end.#forget();
      end.process.deliver(() => end.#close(socketError('ECONNRESET')));
    }
  }

  /** The host has no power any more: nobody is told. */
  vanish(): void {
    this.#isClosed = true;
    this.#handler = null;
    this.#forget();
  }

  /** Hands bytes to the system as far as it takes them. */
  #pump(): void {
    const { scheduler } = this.#parts;
    if (this.#isClosed) return;
    const first = this.#unsent[0];
    if (first !== undefined && this.#windowBytes < WINDOW_BYTES) {
      const parts: Uint8Array[] = [];
      let sizeBytes = 0;
      let count = 0;
      for (const { bytes, taken } of this.#unsent) {
        if (count > 0 && this.#windowBytes + sizeBytes >= WINDOW_BYTES) break;
        parts.push(bytes);
        sizeBytes += bytes.byteLength;
        count += 1;
        if (taken !== undefined) queueMicrotask(taken);
      }
      this.#unsent = this.#unsent.slice(count);
      this.#unsentBytes -= sizeBytes;
      this.#windowBytes += sizeBytes;
      this.#launch('data', Buffer.concat(parts));
    }
    if (this.#drainOwed && this.#unsentBytes === 0) {
      this.#drainOwed = false;
      this.process.post(scheduler.nowUs, () => {
        if (!this.#isClosed) this.#handler?.drain?.();
      });
    }
    if (this.#endAsked && !this.#endSent && this.#unsent.length === 0) {
      this.#endSent = true;
      this.#launch('end', null);
      if (this.#endReceived) this.#closeSoon();
    }
  }

  #launch(kind: 'data' | 'end' | 'reset', bytes: Buffer | null): void {
    const { scheduler, coalesceUs } = this.#parts;
    const arrivalUs = this.#out.arrivalUs(scheduler.nowUs, bytes?.byteLength ?? 40);
    const arrivesAtUs = Math.max(
      this.#lastArrivalUs,
      Math.ceil(arrivalUs / coalesceUs) * coalesceUs,
    );
    this.#lastArrivalUs = arrivesAtUs;
    if (kind === 'data') {
      if (bytes !== null) this.#flying.push({ kind, bytes, arrivesAtUs });
    } else {
      this.#flying.push({ kind, arrivesAtUs });
    }
    this.#scheduleFlight();
  }

  #scheduleFlight(): void {
    const [first] = this.#flying;
    if (first === undefined || this.#isFlightScheduled || this.#isStalled) return;
    this.#isFlightScheduled = true;
    this.#parts.scheduler.at(first.arrivesAtUs, () => {
      this.#isFlightScheduled = false;
      this.#land();
    });
  }

  /** Something should arrive now. */
  #land(): void {
    const { scheduler } = this.#parts;
    const peer = this.#tie.peer;
    if (peer === null || this.#flying.length === 0) return;
    if (this.#out.isCut || !peer.machine.isOn) {
      this.#stall();
      return;
    }
    if (peer.machine.boot !== peer.#boot) {
      this.#refused(); // The host knows nothing of this connection.
      return;
    }
    while (this.#flying.length > 0) {
      const [first] = this.#flying;
      if (first === undefined || first.arrivesAtUs > scheduler.nowUs) break;
      this.#flying.shift();
      if (peer.#isClosed) {
        if (first.kind === 'data') this.#refused();
        continue;
      }
      peer.#arrive(first);
    }
    this.#scheduleFlight();
  }

  /** Nothing gets through: tried again when it might, given up in the end. */
  #stall(): void {
    if (this.#isStalled) return;
    this.#isStalled = true;
    const { scheduler, giveUpUs } = this.#parts;
    const goOn = (): void => {
      if (!this.#isStalled) return;
      this.#isStalled = false;
      giveUp.cancel();
      this.#land();
    };
    const giveUp = scheduler.at(scheduler.nowUs + giveUpUs, () => {
      if (!this.#isStalled) return;
      this.#forget();
      this.process.deliver(() => this.#close(socketError('ETIMEDOUT')));
    });
    if (this.#out.isCut) this.#out.whenHealed(goOn);
    else this.#tie.peer?.machineBack(goOn);
  }

  /** Calls `go` when this end's host has power again; asked for by bytes that wait for it. */
  machineBack(go: () => void): void {
    const { scheduler } = this.#parts;
    const look = (): void => {
      if (this.machine.isOn) go();
      else scheduler.at(scheduler.nowUs + 500_000, look);
    };
    scheduler.at(scheduler.nowUs + 500_000, look);
  }

  /** The other side's system knows nothing of this connection (any more) and says so. */
  #refused(): void {
    const { scheduler } = this.#parts;
    this.#forget();
    if (this.#back.isCut) return;
    scheduler.at(this.#back.arrivalUs(scheduler.nowUs, 40), () =>
      this.process.deliver(() => this.#close(socketError('ECONNRESET'))),
    );
  }

  #arrive(segment: Segment): void {
    if (segment.kind === 'reset') {
      this.#arrived = [];
      this.#forget();
      this.process.deliver(() => this.#close(socketError('ECONNRESET')));
      return;
    }
    this.#arrived.push(segment);
    this.#scheduleReceipt();
  }

  #scheduleReceipt(): void {
    if (this.#isReceiptScheduled || this.#handler === null || this.#isClosed) return;
    if (this.#arrived.length === 0 || this.#isPaused) return;
    this.#isReceiptScheduled = true;
    this.process.post(this.#parts.scheduler.nowUs, () => {
      this.#isReceiptScheduled = false;
      this.#receive();
    });
  }

  /** The program looks at its socket. */
  #receive(): void {
    const { draw } = this.#parts;
    if (this.#isClosed || this.#isPaused) return;
    const pieces: Buffer[] = [];
    let sizeBytes = 0;
    for (let [next] = this.#arrived; next?.kind === 'data'; [next] = this.#arrived) {
      if (sizeBytes > 0 && sizeBytes + next.bytes.length > RECEIPT_BYTES) break;
      pieces.push(next.bytes);
      sizeBytes += next.bytes.length;
      this.#arrived.shift();
    }
    if (sizeBytes > 0) {
      let chunk = pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
      if (sizeBytes > 1 && draw.chance(SPLIT_SHARE)) {
        const at = 1 + draw.below(sizeBytes - 1);
        const bytes = Buffer.from(chunk.subarray(at));
        this.#arrived.unshift({ kind: 'data', bytes, arrivesAtUs: 0 });
        chunk = Buffer.from(chunk.subarray(0, at));
      }
      const received = this.#hand(chunk);
      const peer = this.#tie.peer;
      if (peer !== null) peer.#acknowledged(received, this.#out);
    } else if (this.#arrived[0]?.kind === 'end') {
      this.#arrived.shift();
      this.#endReceived = true;
      if (this.#handler?.end === undefined) this.end();
      else this.#handler.end();
      if (this.#endSent) this.#closeSoon();
    }
    this.#scheduleReceipt();
  }

  /** Gives bytes to the program. @returns how many it took now */
  #hand(chunk: Buffer): number {
    const { trace, draw, scheduler } = this.#parts;
    const handler = this.#handler;
    const room = this.#room;
    let bytes = chunk;
    if (room !== null && handler?.filled !== undefined && draw.chance(ROOM_USED_SHARE)) {
      bytes = chunk.subarray(0, Math.min(room.length, chunk.length));
      if (bytes.length < chunk.length) {
        const rest = Buffer.from(chunk.subarray(bytes.length));
        this.#arrived.unshift({ kind: 'data', bytes: rest, arrivesAtUs: scheduler.nowUs });
      }
      bytes.copy(room);
      trace.mixBytes(traceKinds.receive, this.machine.index, bytes);
      handler.filled(bytes.length);
    } else {
      trace.mixBytes(traceKinds.receive, this.machine.index, bytes);
      handler?.data(bytes);
      bytes.fill(POISON);
    }
    this.#room = handler?.room?.() ?? null;
    return bytes.length;
  }

  /** The other program has received this much; the word of it comes back over `way`. */
  #acknowledged(sizeBytes: number, way: Link): void {
    const free = (): void => {
      this.#windowBytes -= sizeBytes;
      if (this.#unsent.length > 0 && this.#corked === 0) this.#pump();
    };
    if (way.isCut) way.whenHealed(free);
    else free();
  }

  /** Our side is gone: what the system has taken is still sent. */
  #leave(kind: 'end' | 'reset'): void {
    this.#unsent = [];
    this.#unsentBytes = 0;
    if (this.#endSent && kind === 'end') return;
    this.#endSent = true;
    this.#launch(kind, null);
  }

  /** The program was killed; the system closes what it had open. */
  #programDied(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#handler = null;
    if (!this.machine.isOn) return;
    this.#leave(this.#arrived.some(({ kind }) => kind === 'data') ? 'reset' : 'end');
  }

  #closeSoon(): void {
    this.process.post(this.#parts.scheduler.nowUs, () => this.#close(undefined));
  }

  /** Tells the program, later, that it is over. */
  #close(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { scheduler, trace } = this.#parts;
    const handler = this.#handler;
    for (const { taken } of this.#unsent) if (taken !== undefined) queueMicrotask(taken);
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.process.post(scheduler.nowUs, () => {
      trace.mix(traceKinds.close, this.machine.index, this.localPort);
      if (error === undefined) handler?.close();
      else handler?.close(error);
    });
  }

  #forget(): void {
    this.#flying = [];
    this.#isStalled = false;
    this.#unsent = [];
    this.#unsentBytes = 0;
  }
}
