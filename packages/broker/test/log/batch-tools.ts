/** Batch functions of the protocol package, and one that only tests need. */
import { crc32c } from '@odradek/protocol';

export {
  attributes,
  checksumMatches,
  decodeBatch,
  encodeBatch,
  encodeMessageSet,
  encodeTransactionMarker,
  KafkaError,
  maxTimestamp,
  zstdReady,
} from '@odradek/protocol';

/** Makes the checksum of a single batch fit its bytes. */
export function renewChecksum(batch: Buffer): void {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
}
