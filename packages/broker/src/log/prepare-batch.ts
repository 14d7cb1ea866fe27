/**
 * What is too much for the event loop, done in a worker: a client's records are checked, unfolded and
 * packed anew there, as validate.ts and validate-message-set.ts have it. Offsets, epoch and the time of
 * the append are given afterwards, when it is the batch's turn.
 */
import { KafkaError, zstdReady } from '@odradek/protocol';
import { WorkerDied, type Workers, WorkersBusy, type WorkerTask } from '@odradek/runtime';
import { type Judgement, validBatches } from './append-sets.ts';
import { RecordsRefused } from './record-rules.ts';

export interface PrepareJob extends Judgement {
  readonly records: Uint8Array<ArrayBuffer>;
}

export const prepareBatch: WorkerTask<PrepareJob, Uint8Array<ArrayBuffer>> = {
  module: import.meta.url,
  exportName: 'prepareBatch',
  async run({ records, ...judgement }) {
    await zstdReady; // A thread of its own loads its own.
    const { buffer, byteOffset, byteLength } = records;
    const batch = validBatches(Buffer.from(buffer, byteOffset, byteLength), judgement, 'patient');
    // Memory is moved as a whole, and small buffers share theirs.
    return batch.buffer instanceof ArrayBuffer && batch.buffer.byteLength === batch.byteLength
      ? new Uint8Array(batch.buffer)
      : new Uint8Array(batch);
  },
  transfers: ({ buffer }) => [buffer],
  errors: [KafkaError, RecordsRefused],
};

/**
 * Runs {@link prepareBatch}.
 * @param records moves to the worker: it must be all of its memory
 * @throws KafkaError as validateClientBatch; REQUEST_TIMED_OUT when too much waits for a worker,
 *   UNKNOWN_SERVER_ERROR when this batch was too much for one
 */
export async function prepareInWorker(
  workers: Workers,
  records: Buffer<ArrayBuffer>,
  judgement: Judgement,
  signal: AbortSignal,
): Promise<Buffer> {
  const transfer = [records.buffer];
  try {
    const job = { ...judgement, records };
    const { buffer } = await workers.run(prepareBatch, job, { kind: 'short', transfer, signal });
    return Buffer.from(buffer);
  } catch (error) {
    if (error instanceof WorkersBusy)
      throw new KafkaError('REQUEST_TIMED_OUT', error.message, { cause: error });
    if (error instanceof WorkerDied)
      throw new KafkaError('UNKNOWN_SERVER_ERROR', error.message, { cause: error });
    throw error;
  }
}
