/** The coordination server: what other packages may use. */
export { type ReadZooCfg, readZooCfg, type ZooCfg, zooCfg } from './config/zoo-cfg.ts';
export type { Change, TransactionRecord } from './core/transaction/record.ts';
export { type CoordinatorServices, type RunningCoordinator, startCoordinator } from './main.ts';
export * from './offline/index.ts';
export type { Role } from './replica/types.ts';
export { type LoginModule, MalformedJaas, parseJaas } from './security/jaas.ts';
export type { CoordinatorObserver } from './server/observer.ts';
export { VERSION } from './server/server-info.ts';
