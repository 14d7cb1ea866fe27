export * from './environment.ts';
export * from './errors.ts';
export * from './log.ts';
export * from './machine.ts';
export { nodeEnvironment } from './node/environment.ts';
export * from './time.ts';
