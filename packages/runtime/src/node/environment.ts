/** The outside world over Node, bundled. */
import type { Environment } from '../environment.ts';
import { type Log, silentLog } from '../log.ts';
import { nodeClock } from './clock.ts';
import { nodeDisk } from './disk.ts';
import { nodeNetwork } from './network.ts';
import { nodeRandom } from './random.ts';
import { poisonsReleasedMemory } from './released-memory.ts';
import { SmallWrites } from './small-writes.ts';
import { nodeTimers, timersOn } from './timers.ts';
import { nodeWorkers } from './workers.ts';

export interface NodeEnvironmentOptions {
  /** Where events go; without it they go nowhere, as a library should. */
  readonly log?: Log;
  /**
   * An armed timer and work under way in a thread keep the process alive. False for daemons, whose sockets do; true for a library,
   * or a program that waits for a cluster that is not there would end without a word.
   */
  readonly holdsProcess?: boolean;
  /** Overwrite received bytes once their receiver has seen them; see released-memory.ts. */
  readonly poison?: boolean;
}

export function nodeEnvironment({
  log = silentLog,
  holdsProcess = false,
  poison = poisonsReleasedMemory,
}: NodeEnvironmentOptions = {}): Environment {
  return {
    clock: nodeClock,
    timers: holdsProcess ? timersOn(nodeClock, true) : nodeTimers,
    random: nodeRandom,
    network: nodeNetwork({
      clock: nodeClock,
      log: log.child('network'),
      poison,
    }),
    disk: nodeDisk(new SmallWrites()),
    workers: nodeWorkers({ holdsProcess }),
    log,
  };
}
