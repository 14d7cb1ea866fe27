/** sync (9): answered once this server has caught up. The path comes back as it came. */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';

export const syncRequest = record('SyncRequest', { path: jute.nullableUstring });
export type SyncRequest = BodyOf<typeof syncRequest>;
export const syncResponse = record('SyncResponse', { path: jute.nullableUstring });
export type SyncResponse = BodyOf<typeof syncResponse>;
