export * from './environment.ts';
export * from './errors.ts';
export * from './log.ts';
export * from './machine.ts';
export * from './time.ts';
