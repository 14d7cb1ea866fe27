/** The outside world over Node, bundled. */
import type { Environment } from '../environment.ts';
import { type Log, silentLog } from '../log.ts';
import { nodeClock } from './clock.ts';
import { nodeDisk } from './disk.ts';
import { nodeNetwork } from './network.ts';
import { nodeRandom } from './random.ts';
import { poisonsReleasedMemory } from './released-memory.ts';
import { nodeTimers } from './timers.ts';

/** @param options.log where events go; without it they go nowhere, as a library should */
export function nodeEnvironment({ log = silentLog }: { readonly log?: Log } = {}): Environment {
  return {
    clock: nodeClock,
    timers: nodeTimers,
    random: nodeRandom,
    network: nodeNetwork({
      clock: nodeClock,
      log: log.child('network'),
      poison: poisonsReleasedMemory,
    }),
    disk: nodeDisk(),
    log,
  };
}
