/** The test kit: what other packages and the tests may use. */

export type { Breach } from './checkers/judge.ts';
export { checkRegisters, type RegisterOperation } from './checkers/registers.ts';
export { type DiskPace, SimulatedDisk, soundPace } from './disk/simulated-disk.ts';
export { drawPlan, type Plan, TOPOLOGIES, type Topology } from './ensemble/plan.ts';
export { type Outcome, runSimulation } from './ensemble/simulation.ts';
export { type Mutant, mutants } from './mutants.ts';
export { type Fault, faultText } from './nemesis/faults.ts';
export { type LinkPace, soundLink } from './network/link.ts';
export { shrink } from './shrink.ts';
export { Draw } from './world/draw.ts';
export { type Program, SimulatedHost } from './world/host.ts';
export type { SimulatedProcess } from './world/process.ts';
export { SimulatedWorld, type WorldOptions } from './world/simulated-world.ts';
