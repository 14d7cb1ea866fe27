/** The client: sessions with the coordinator, connections to brokers, producer, consumer, admin. */
export * from './connection/index.ts';
export * from './coordinator-session/index.ts';
export * from './errors.ts';
