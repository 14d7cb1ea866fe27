/** The coordination server: what other packages may use. */
export { type ReadZooCfg, readZooCfg, type ZooCfg, zooCfg } from './config/zoo-cfg.ts';
export { type CoordinatorServices, type RunningCoordinator, startCoordinator } from './main.ts';
export * from './offline/index.ts';
export { VERSION } from './server/server-info.ts';
