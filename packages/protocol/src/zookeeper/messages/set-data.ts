/** setData (5). */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';
import { statType } from './stat.ts';

export const setDataRequest = record('SetDataRequest', {
  /** null is well formed here, but no path. */
  path: jute.nullableUstring,
  data: jute.nullableBuffer,
  version: jute.int,
});
export type SetDataRequest = BodyOf<typeof setDataRequest>;
export const setDataResponse = record('SetDataResponse', { stat: statType });
export type SetDataResponse = BodyOf<typeof setDataResponse>;
