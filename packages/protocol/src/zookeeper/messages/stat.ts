/** What is known of a node besides its data. 68 bytes. */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';
import { int64 } from '../../schema/types.ts';

export const statFields = {
  czxid: jute.long,
  mzxid: jute.long,
  /** ms since 1970; of the server that prepared the change. */
  ctime: int64,
  mtime: int64,
  version: jute.int,
  cversion: jute.int,
  aversion: jute.int,
  /** 0 for nodes that outlive their session. */
  ephemeralOwner: jute.long,
  dataLength: jute.int,
  numChildren: jute.int,
  pzxid: jute.long,
} as const;

export const statType = jute.struct(statFields);
export const stat = record('Stat', statFields);
export type WireStat = BodyOf<typeof stat>;
