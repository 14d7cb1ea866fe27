/** Who decides: what other packages may use, as `@odradek/coord/quorum`. A server needs only a part of it. */
export * from './ensemble.ts';
export { weightsToMove } from './move.ts';
export * from './plan.ts';
export { commonQuorum } from './reconfig.ts';
export { QuorumRules } from './rules.ts';
export { withWeights } from './weight-changes.ts';
