/** delete (2); the answer has no body. check (13), inside a multi, looks the same. */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';

const fields = { path: jute.ustring, version: jute.int } as const;

export const deleteRequest = record('DeleteRequest', fields);
export type DeleteRequest = BodyOf<typeof deleteRequest>;
export const checkVersionRequest = record('CheckVersionRequest', fields);
export type CheckVersionRequest = BodyOf<typeof checkVersionRequest>;
