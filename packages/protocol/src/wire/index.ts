/** Reading and writing bytes by hand. */
export { Reader } from './reader.ts';
export { ZERO_UUID } from './text.ts';
export { MAX_STRING_BYTES, REFERENCE_MIN_BYTES, Writer } from './writer.ts';
