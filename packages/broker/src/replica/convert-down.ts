/**
 * Batches for consumers of before Kafka 0.11, converted where they hold up nobody: a little at once,
 * much in a worker. What the conversion does is the protocol package's (down-convert.ts).
 */
import { type DownConversion, downConvert, KafkaError } from '@odradek/protocol';
import {
  type Timers,
  WorkerDied,
  type Workers,
  WorkersBusy,
  type WorkerTask,
} from '@odradek/runtime';

/** Batches of at most so many bytes are converted on the event loop, in slices. */
export const CONVERTED_AT_ONCE_BYTES = 32 * 1024;

export type Conversion = Omit<DownConversion, 'pause'>;

interface ConvertJob {
  /** Whole batches, one after the other. */
  readonly batches: Uint8Array<ArrayBuffer>;
  readonly conversion: Conversion;
}

export const convertBatches: WorkerTask<ConvertJob, Uint8Array<ArrayBuffer>> = {
  module: import.meta.url,
  exportName: 'convertBatches',
  async run({ batches, conversion }) {
    const { buffer, byteOffset, byteLength } = batches;
    const chunk = Buffer.from(buffer, byteOffset, byteLength);
    const pieces = await downConvert([chunk], { ...conversion, pause: () => Promise.resolve() });
    const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  },
  transfers: ({ buffer }) => [buffer],
  errors: [KafkaError],
};

export interface ConversionPorts {
  readonly workers: Workers;
  readonly timers: Timers;
}

/**
 * Converts whole batches that lie in `chunks`, which may be lent: they are read before this settles
 * and not kept. Throws as `downConvert` does.
 */
export async function convertDown(
  chunks: readonly Buffer[],
  conversion: Conversion,
  { workers, timers }: ConversionPorts,
): Promise<readonly Buffer[]> {
  const sizeBytes = chunks.reduce((sum, { length }) => sum + length, 0);
  if (sizeBytes > CONVERTED_AT_ONCE_BYTES) {
    try {
      return [await inWorker(chunks, sizeBytes, conversion, workers)];
    } catch (error) {
      // Slower for others, but a reader need not hear of it.
      if (!(error instanceof WorkersBusy || error instanceof WorkerDied)) throw error;
    }
  }
  const pause = (): Promise<void> => new Promise((resolve) => timers.afterTurn(resolve));
  return downConvert(chunks, { ...conversion, pause });
}

async function inWorker(
  chunks: readonly Buffer[],
  sizeBytes: number,
  conversion: Conversion,
  workers: Workers,
): Promise<Buffer> {
  const batches = new Uint8Array(sizeBytes);
  let at = 0;
  for (const chunk of chunks) {
    batches.set(chunk, at);
    at += chunk.length;
  }
  const transfer = [batches.buffer];
  const { buffer } = await workers.run(
    convertBatches,
    { batches, conversion },
    { kind: 'short', transfer },
  );
  return Buffer.from(buffer);
}
