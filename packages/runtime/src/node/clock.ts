/**
 * Clock over Node: the monotonic one of `performance`, the wall clock of `Date`.
 */
import { performance } from 'node:perf_hooks';
import { type Clock, type Millis, millis } from '../time.ts';

export const nodeClock: Clock = {
  now(): Millis {
    return millis(performance.now());
  },
  wallTime(): Millis {
    return millis(Date.now());
  },
};
