/** What Kafka stores in its own topics and files, or embeds in messages. */
export * from './consumer-group-records.ts';
export * from './consumer-offsets.ts';
export * from './consumer-protocol.ts';
export * from './control-records.ts';
export * from './default-principal.ts';
export * from './log-files.ts';
export * from './remote-log-metadata.ts';
export * from './share-group-records.ts';
export * from './share-group-state.ts';
export * from './streams-group-records.ts';
export * from './streams-subscription.ts';
export * from './transaction-state.ts';
