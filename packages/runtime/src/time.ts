/**
 * Time as an input: what hosts are handed instead of Date, performance and setTimeout.
 *
 * Two clocks, never mixed: `wallTime` is for stamps that other machines read and may jump;
 * `now` only moves forward and is what deadlines are measured on.
 */
declare const millisBrand: unique symbol;

/** Milliseconds, possibly fractional; a point on one of the two clocks or a span between two. */
export type Millis = number & { readonly [millisBrand]: 'Millis' };

/** Brands a number of milliseconds. */
export const millis = (value: number): Millis => value as Millis;

export interface Clock {
  /** Monotonic milliseconds since an arbitrary origin: for deadlines and durations. */
  now(): Millis;
  /** Milliseconds since 1970-01-01 UTC, an integer: for stamps; may jump either way. */
  wallTime(): Millis;
}

/** Takes back a wake-up that has not happened yet; afterwards, and a second time, it does nothing. */
export type Disarm = () => void;

export interface Timers {
  /**
   * Calls `wake` once, never before `deadline` (of {@link Clock.now}), and never inside this call.
   * A deadline in the past or now wakes as soon as the event loop comes round.
   * Whether it keeps the process alive is the implementation's affair.
   */
  wakeAt(deadline: Millis, wake: () => void): Disarm;
  /** Calls `run` after the input that is being handled now, before any timer: once per turn of the event loop. */
  afterTurn(run: () => void): void;
}

/** What a host needs to run a machine. */
export interface Time {
  readonly clock: Clock;
  readonly timers: Timers;
}
