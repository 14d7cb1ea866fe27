/** Prints the trace hashes of seeds: what another process must come to as well. */
import { TOPOLOGIES } from '@odradek/testkit';
import { runSeed } from './seeds.ts';

const [name, ...seeds] = process.argv.slice(2);
const topology = TOPOLOGIES.find((known) => known === name);
for (const seed of seeds) console.log((await runSeed(Number(seed), topology, 0)).traceHash);
