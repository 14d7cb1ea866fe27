/**
 * One run of a program on a host: what it waits for dies with it, and waits while it is stopped.
 *
 * Everything that reaches a program comes through `deliver` (now) or `post` (later); a program that was
 * killed hears of nothing any more, and its promises are never settled.
 */
import { type Clock, type Millis, millis, type Timers } from '@odradek/runtime';
import type { Draw } from './draw.ts';
import type { HostClock } from './host-clock.ts';
import { type Phase, phases, type Scheduler, SimulatedEvent } from './scheduler.ts';

export type ProcessState = 'running' | 'stopped' | 'dead';

export class SimulatedProcess {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly #scheduler: Scheduler;
  #state: ProcessState = 'running';
  /** What came while it was stopped. */
  #held: SimulatedEvent[] = [];
  readonly #atDeath: (() => void)[] = [];

  constructor(scheduler: Scheduler, hostClock: HostClock, draw: Draw, timerLagUs: number) {
    this.#scheduler = scheduler;
    const bootedAtUs = scheduler.nowUs;
    const originMs = draw.below(1_000_000);
    const now = (): Millis => millis(originMs + hostClock.elapsedMs(bootedAtUs, scheduler.nowUs));
    this.clock = { now, wallTime: () => hostClock.wallTime(scheduler.nowUs) };
    this.timers = {
      wakeAt: (deadline, wake) => {
        let event: SimulatedEvent;
        const arm = (atUs: number): void => {
          event = this.post(atUs, fire, phases.timer);
        };
        const fire = (): void => {
          // Rounding may come out early, which a timer must never be.
          if (now() < deadline) arm(scheduler.nowUs + 1);
          else wake();
        };
        const aheadUs = Math.max(0, hostClock.microsFor(deadline - now()));
        const lagUs = timerLagUs === 0 ? 0 : draw.below(timerLagUs);
        arm(scheduler.nowUs + aheadUs + lagUs);
        return () => event.cancel();
      },
      afterTurn: (run) => {
        this.post(scheduler.nowUs, run, phases.turnEnd);
      },
    };
  }

  get state(): ProcessState {
    return this.#state;
  }

  /** Something that the program hears of at a time to come. */
  post(atUs: number, run: () => void, phase: Phase = phases.input): SimulatedEvent {
    const event = this.#scheduler.at(atUs, () => this.#take(event, run), phase);
    return event;
  }

  /** Something that the program hears of now; to be called from an event that is not a program's. */
  deliver(run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'stopped') {
      this.#held.push(new SimulatedEvent(this.#scheduler.nowUs, phases.input, run));
    }
  }

  #take(event: SimulatedEvent, run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'stopped') {
      event.run = run; // So that it can still be called off.
      this.#held.push(event);
    }
  }

  /** SIGSTOP */
  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  /** SIGCONT: what came meanwhile comes now, in its order; timers last, as an event loop has it. */
  continue(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    const held = this.#held;
    this.#held = [];
    for (const event of held) {
      this.post(
        this.#scheduler.nowUs,
        () => {
          const { run } = event;
          event.run = null;
          run?.();
        },
        event.phase,
      );
    }
  }

  /** The end of it, whatever it was doing. */
  kill(): void {
    if (this.#state === 'dead') return;
    this.#state = 'dead';
    this.#held = [];
    for (const told of this.#atDeath.splice(0)) told();
  }

  /** For what the operating system does when a program is gone. */
  whenDead(told: () => void): void {
    this.#atDeath.push(told);
  }
}
