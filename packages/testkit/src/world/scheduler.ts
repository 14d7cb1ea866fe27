/**
 * Virtual time: events in the order of their time, their phase and their making, one after the other.
 *
 * After each event all promises that it settled have run before the next one begins. That takes one
 * turn of the real event loop's check phase per event; nothing else of the real loop is used, so no
 * real time and no real input can mix in.
 *
 * Within one microsecond things happen as in one turn of an event loop: first what comes in, then what
 * was put off to the end of the turn, then timers.
 */
import { InvariantViolation, type Timers } from '@odradek/runtime';

export const phases = { input: 0, turnEnd: 1, timer: 2 } as const;
export type Phase = (typeof phases)[keyof typeof phases];
const PHASE_COUNT = 3;

/** Turns that are asked for at once: more than one, since asking has its price. */
const TURNS_AT_ONCE = 64;

/** So many events at one moment are no work any more: something does not let the clock move on. */
const EVENTS_AT_ONCE_MAX = 1_000_000;

/** Something that will happen, unless it is called off. */
export class SimulatedEvent {
  /** Time and phase in one number. */
  readonly key: number;
  readonly phase: Phase;
  sequence = 0;
  run: (() => void) | null;

  constructor(atUs: number, phase: Phase, run: () => void) {
    this.key = atUs * PHASE_COUNT + phase;
    this.phase = phase;
    this.run = run;
  }

  cancel(): void {
    this.run = null;
  }
}

export class Scheduler {
  #nowUs = 0;
  #sequence = 0;
  #eventCount = 0;
  /** At this very moment of the world. */
  #eventsNow = 0;
  readonly #heap: SimulatedEvent[] = [];
  readonly #realTimers: Timers;

  /** @param realTimers of which only `afterTurn` is used */
  constructor(realTimers: Timers) {
    this.#realTimers = realTimers;
  }

  /** Microseconds since the world began. */
  get nowUs(): number {
    return this.#nowUs;
  }

  /** How much has happened so far. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /** Makes something happen at a time, which may be now but not before. */
  at(atUs: number, run: () => void, phase: Phase = phases.input): SimulatedEvent {
    const event = new SimulatedEvent(Math.max(Math.ceil(atUs), this.#nowUs), phase, run);
    event.sequence = this.#sequence++;
    this.#push(event);
    return event;
  }

  /**
   * Lets the world go on.
   * @param isOver asked before each event
   * @returns when `isOver` says so, or when nothing is left to happen
   * @throws whatever an event throws
   */
  run(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let isDone = false;
      const turn = (): void => {
        if (isDone) return;
        try {
          if (isOver() || !this.#step()) {
            isDone = true;
            resolve();
          }
        } catch (error) {
          isDone = true;
          reject(error);
        }
      };
      const turns = (): void => {
        if (isDone) return;
        for (let count = 0; count < TURNS_AT_ONCE; count++) this.#realTimers.afterTurn(turn);
        this.#realTimers.afterTurn(turns);
      };
      turns();
    });
  }

  /** @returns false when there is nothing left */
  #step(): boolean {
    for (let event = this.#pop(); event !== undefined; event = this.#pop()) {
      if (event.run === null) continue;
      const nowUs = Math.floor(event.key / PHASE_COUNT);
      this.#eventsNow = nowUs === this.#nowUs ? this.#eventsNow + 1 : 0;
      if (this.#eventsNow > EVENTS_AT_ONCE_MAX) {
        throw new InvariantViolation(
          `time stands still at ${nowUs} us: something wakes itself again and again`,
        );
      }
      this.#nowUs = nowUs;
      this.#eventCount += 1;
      const { run } = event;
      event.run = null;
      run();
      return true;
    }
    return false;
  }

  #push(event: SimulatedEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || isBefore(parent, event)) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = event;
  }

  #pop(): SimulatedEvent | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (last === undefined || first === undefined || heap.length === 0) return last;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = heap[childIndex];
      if (child === undefined) break;
      const right = heap[childIndex + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childIndex += 1;
      }
      if (isBefore(last, child)) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(left: SimulatedEvent, right: SimulatedEvent): boolean {
  return left.key < right.key || (left.key === right.key && left.sequence < right.sequence);
}
