/** The coordinator session's public face. */
export {
  CoordinatorSession,
  type CoordinatorSessionOptions,
} from './coordinator-session-host.ts';
export * from './types.ts';
