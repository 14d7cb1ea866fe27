/**
 * What runs in the thread that carries out small writes: see small-writes.ts. It does nothing else, so it may block in
 * each of them, and sleeps when there are none.
 */
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '../errors.ts';
import {
  ASLEEP,
  CLAIMED,
  DONE,
  FAILED,
  HEAD,
  placeOf,
  QUEUED,
  type RingMemory,
  TOLD,
  WriteRing,
} from './small-writes-ring.ts';

invariant(parentPort !== null, 'runs as a worker thread');
const port = parentPort;
const ring = new WriteRing(workerData as RingMemory);
const { counts, states, descriptors, starts, sizes, positions, results, bytes } = ring;

/** @returns the bytes written; why it failed is found out by the event loop, which tries again */
function write(place: number): number {
  try {
    return writeSync(
      descriptors[place] ?? -1,
      bytes,
      starts[place] ?? 0,
      sizes[place] ?? 0,
      positions[place] ?? 0,
    );
  } catch {
    return FAILED;
  }
}

port.postMessage(null); // Ready.
let done = Atomics.load(counts, DONE);
for (;;) {
  const head = Atomics.load(counts, HEAD);
  if (head === done) {
    Atomics.store(counts, ASLEEP, 1);
    Atomics.wait(counts, HEAD, done); // Returns at once when more came since.
    Atomics.store(counts, ASLEEP, 0);
    continue;
  }
  while (done !== head) {
    const place = placeOf(done);
    if (Atomics.compareExchange(states, place, QUEUED, CLAIMED) === QUEUED)
      results[place] = write(place);
    done = (done + 1) | 0;
    Atomics.store(counts, DONE, done);
  }
  if (Atomics.exchange(counts, TOLD, 1) === 0) port.postMessage(null);
}
