/** Records of `__transaction_state` in the form of Kafka's tool. */
import { Reader, transactionLogKey, transactionLogValue } from '@odradek/protocol';
import type { ContentDecoder } from './decoders.ts';
import { DumpFailure } from './dump-failure.ts';
import { inHashOrder } from './hash-order.ts';

/** By the number that the records have for a state. */
const states = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
] as const;

/** @throws DumpFailure, MalformedMessage, UnsupportedVersion: such a record ends the dump */
export const transactionDecoder: ContentDecoder = ({ offset, key, value }) => {
  if (key === null) {
    throw new DumpFailure(
      `Failed to decode message at offset ${offset} using the transaction log decoder (message had a missing key)`,
    );
  }
  const reader = new Reader(key);
  const version = reader.int16();
  if (version < 0 || version > transactionLogKey.spec.versions[1]) {
    return { key: `unknown::version=${version}`, payload: null };
  }
  const { transactionalId } = transactionLogKey.decodeFrom(reader, version);
  return {
    key: `transaction_metadata::transactionalId=${transactionalId}`,
    payload: value === null ? '<DELETE>' : payloadOf(value),
  };
};

function payloadOf(value: Buffer): string {
  const reader = new Reader(value);
  const transaction = transactionLogValue.decodeFrom(reader, reader.int16());
  const state = states[transaction.transactionStatus];
  if (state === undefined) {
    throw new DumpFailure(`a transaction of the unknown state ${transaction.transactionStatus}`);
  }
  const partitions = inHashOrder(
    (transaction.transactionPartitions ?? []).flatMap(({ topic, partitionIds }) =>
      partitionIds.map((partition) => ({ topic, partition })),
    ),
  ).map(({ topic, partition }) => `${topic}-${partition}`);
  return [
    `producerId:${transaction.producerId}`,
    `producerEpoch:${transaction.producerEpoch}`,
    `state=${state}`,
    `partitions=[${partitions.join(',')}]`,
    `txnLastUpdateTimestamp=${transaction.transactionLastUpdateTimestampMs}`,
    `txnTimeoutMs=${transaction.transactionTimeoutMs}`,
  ].join(',');
}
