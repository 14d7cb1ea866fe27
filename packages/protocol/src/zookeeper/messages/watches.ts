/**
 * Watches: setWatches (101) and setWatches2 (105) after a reconnect, addWatch (106),
 * removeWatches (18) and checkWatches (17), and the notification itself.
 */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';

const fields = {
  /** The last zxid the client has seen; what changed after it is told at once. */
  relativeZxid: jute.long,
  dataWatches: jute.vector(jute.ustring),
  existWatches: jute.vector(jute.ustring),
  childWatches: jute.vector(jute.ustring),
} as const;

export const setWatchesRequest = record('SetWatches', fields);
export type SetWatchesRequest = BodyOf<typeof setWatchesRequest>;
export const setWatches2Request = record('SetWatches2', {
  ...fields,
  persistentWatches: jute.vector(jute.ustring),
  persistentRecursiveWatches: jute.vector(jute.ustring),
});
export type SetWatches2Request = BodyOf<typeof setWatches2Request>;

export const addWatchRequest = record('AddWatchRequest', { path: jute.ustring, mode: jute.int });
export type AddWatchRequest = BodyOf<typeof addWatchRequest>;

export const removeWatchesRequest = record('RemoveWatchesRequest', {
  path: jute.ustring,
  type: jute.int,
});
export type RemoveWatchesRequest = BodyOf<typeof removeWatchesRequest>;

/** Behind a reply header with xid -1. */
export const watcherEvent = record('WatcherEvent', {
  type: jute.int,
  state: jute.int,
  path: jute.ustring,
});
export type WatcherEvent = BodyOf<typeof watcherEvent>;
