/** The coordination server: what other packages may use. Tools for its files: `@odradek/coord/offline`; who decides: `@odradek/coord/quorum`. */

export { loadMembership, type Membership } from './config/ensemble-settings.ts';
export { type ReadZooCfg, readZooCfg, type ZooCfg, zooCfg } from './config/zoo-cfg.ts';
export type { Change, TransactionRecord } from './core/transaction/record.ts';
export {
  type CoordinatorServices,
  loadMemberCode,
  type RunningCoordinator,
  startCoordinator,
} from './main.ts';
export type { ReplicaStatus, Role } from './replica/types.ts';
export { type LoginModule, MalformedJaas, parseJaas } from './security/jaas.ts';
export type { CoordinatorObserver } from './server/observer.ts';
export type { Mode } from './server/server-info.ts';
export { VERSION } from './server/server-info.ts';
