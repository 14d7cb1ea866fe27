/**
 * What stands for key and value of a record: text, numbers, or the records of Kafka's own topics
 * taken apart. Classes of Kafka's are known by name; others cannot be loaded here.
 */
import { DumpFailure } from './dump-failure.ts';

/** Key and payload as printed; null prints nothing. */
export interface Contents {
  readonly key: string | null;
  readonly payload: string | null;
}

export type ContentDecoder = (record: {
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}) => Contents;

type BytesDecoder = (bytes: Buffer) => string;

const CURRENT_PACKAGE = 'org.apache.kafka.tools.api.';
const FORMER_PACKAGE = 'kafka.serializer.';

export const DEFAULT_DECODER = `${CURRENT_PACKAGE}StringDecoder`;

const decoders: Readonly<Record<string, BytesDecoder>> = {
  StringDecoder: (bytes) => bytes.toString('utf8'),
  LongDecoder: (bytes) => String(atLeast(8, bytes).readBigInt64BE()),
  IntegerDecoder: (bytes) => String(atLeast(4, bytes).readInt32BE()),
  // Kafka's prints the address of an array in memory here.
  DefaultDecoder: (bytes) => bytes.toString('hex'),
};

/** Decodes keys and values each with a class of its own. */
export function classDecoder(key: DecoderClass, value: DecoderClass): ContentDecoder {
  return (record) => ({
    key: record.key === null ? null : key.decode(record.key),
    payload: record.value === null ? null : value.decode(record.value),
  });
}

export interface DecoderClass {
  readonly decode: BytesDecoder;
  /** A remark about the class's name that the user should see. */
  readonly remark: string | null;
}

/** @throws DumpFailure for a class that is not one of Kafka's */
export function decoderClass(className: string): DecoderClass {
  const former = className.startsWith(FORMER_PACKAGE);
  const name = className.slice((former ? FORMER_PACKAGE : CURRENT_PACKAGE).length);
  const known = former || className.startsWith(CURRENT_PACKAGE);
  const decode = known && Object.hasOwn(decoders, name) ? decoders[name] : undefined;
  if (decode === undefined) {
    throw new DumpFailure(
      `no decoder ${className}: known are ${CURRENT_PACKAGE}{${Object.keys(decoders).join(',')}}`,
    );
  }
  const remark = former
    ? `${className} is deprecated. Please use ${CURRENT_PACKAGE}${name} instead`
    : null;
  return { decode, remark };
}

function atLeast(sizeBytes: number, bytes: Buffer): Buffer {
  if (bytes.length >= sizeBytes) return bytes;
  throw new DumpFailure(`a number of ${sizeBytes} bytes in ${bytes.length} bytes`);
}
