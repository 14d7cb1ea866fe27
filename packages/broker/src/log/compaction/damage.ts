/** What reading a batch can find wrong with it, told as damage of the file that it lies in. */
import { DecompressionLimitExceeded, KafkaError, MalformedMessage } from '@odradek/protocol';
import { LogDamaged } from '../log-types.ts';

/** Runs something on a batch of `path`. @throws LogDamaged for one that cannot be read */
export function onSoundBatch<T>(path: string, offset: number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const isOfTheBatch =
      error instanceof MalformedMessage ||
      error instanceof DecompressionLimitExceeded ||
      (error instanceof KafkaError && error.code === 'CORRUPT_MESSAGE');
    if (!isOfTheBatch) throw error;
    throw new LogDamaged(`${path}: the batch at offset ${offset}: ${error.message}`, {
      cause: error,
    });
  }
}
