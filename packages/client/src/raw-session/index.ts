/** The raw session's public face. */
export { parseConnectString } from '../coordinator-session/connect-string.ts';
export { type Operation, operations } from './operations.ts';
export { type CallOptions, RawSession } from './raw-session-host.ts';
export type { SaslUser } from './sasl-login.ts';
export * from './types.ts';
export type { WatchKind } from './watched-paths.ts';
export type { MultiStep } from './wire.ts';
