/** The codecs that record attributes can name, by Kafka's ids. How each works is in its own file. */
import { MalformedMessage } from '../../errors.ts';

/** In the order of their ids, 0 to 4. */
export const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

export type Codec = (typeof codecs)[number];

const idByCodec: Readonly<Record<Codec, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };

/** The three bits that attributes of records and batches spend on the codec. */
export const CODEC_MASK = 0b111;

export function codecId(codec: Codec): number {
  return idByCodec[codec];
}

/** @throws MalformedMessage for the ids 5 to 7, which mean nothing */
export function codecOf(id: number): Codec {
  const codec = codecs[id];
  if (codec === undefined) throw new MalformedMessage(`no compression codec has the id ${id}`);
  return codec;
}
