/**
 * Machines: whatever must be right, as `step(input, now) -> effects`, without clock, timer, chance,
 * I/O or promise. `drive` is the one loop that turns a machine into something that lives.
 */
import type { Disarm, Millis, Time } from './time.ts';

/** The input that says "your deadline has passed". */
export type Tick = Readonly<{ kind: 'tick' }>;

export interface Machine<Input, Effect> {
  /** Takes one input at `now` and returns what is to be done, in order. */
  step(input: Input | Tick, now: Millis): readonly Effect[];
  /** When the machine wants its next tick; null for never. */
  deadline(): Millis | null;
}

/** Hands an input to a driven machine. */
export type Deliver<Input> = (input: Input) => void;

/**
 * Runs a machine. Effects become actions in `perform` and nowhere else; what `perform` delivers back
 * waits until the current step's effects are done.
 */
export function drive<Input, Effect>(
  machine: Machine<Input, Effect>,
  { clock, timers }: Time,
  perform: (effect: Effect) => void,
): Deliver<Input> {
  const inbox: (Input | Tick)[] = [];
  let disarm: Disarm | null = null;
  let armedFor: Millis | null = null;
  const arm = (): void => {
    const deadline = machine.deadline();
    if (deadline === armedFor) return;
    disarm?.();
    armedFor = deadline;
    disarm =
      deadline === null
        ? null
        : timers.wakeAt(deadline, () => {
            armedFor = null;
            deliver({ kind: 'tick' });
          });
  };
  function deliver(input: Input | Tick): void {
    if (inbox.push(input) > 1) return; // A step runs to completion before the next one starts.
    try {
      for (const next of inbox)
        for (const effect of machine.step(next, clock.now())) perform(effect);
    } finally {
      inbox.length = 0;
    }
    arm();
  }
  arm();
  return deliver;
}
