/** ZooKeeper's wire format: frames, op codes, error codes, and every record. */
export * from './errors.ts';
export * from './frame.ts';
export * from './messages/acl.ts';
export * from './messages/auth.ts';
export * from './messages/connect.ts';
export * from './messages/create.ts';
export * from './messages/delete.ts';
export * from './messages/get-data.ts';
export * from './messages/get-ephemerals.ts';
export * from './messages/header.ts';
export * from './messages/multi.ts';
export * from './messages/set-data.ts';
export * from './messages/stat.ts';
export * from './messages/sync.ts';
export * from './messages/watches.ts';
export * from './op-codes.ts';
