/**
 * AddPartitionsToTxn (key 24). v2: PRODUCER_FENCED may be answered (KIP-588); v3: flexible; v4:
 * several transactions, verifyOnly (KIP-890); v5: TRANSACTION_ABORTABLE may be answered (KIP-890).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bigint64,
  bool,
  defaulted,
  ignorable,
  int16,
  int32,
  since,
  string,
  struct,
} from '../../schema/types.ts';

const addPartitionsToTxn = api({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: [0, 5],
  flexibleSince: 3,
});

const addPartitionsToTxnTopic = struct({ name: string, partitions: arrayOf(int32) });

const addPartitionsToTxnPartitionResult = struct({
  partitionIndex: int32,
  partitionErrorCode: int16,
});

const addPartitionsToTxnTopicResult = struct({
  name: string,
  resultsByPartition: arrayOf(addPartitionsToTxnPartitionResult),
});

export const addPartitionsToTxnRequest = addPartitionsToTxn.message({
  transactions: since(
    4,
    arrayOf({
      transactionalId: string,
      producerId: bigint64,
      producerEpoch: int16,
      verifyOnly: defaulted(bool, false),
      topics: arrayOf(addPartitionsToTxnTopic),
    }),
    [],
  ),
  v3AndBelowTransactionalId: since([0, 3], string, ''),
  v3AndBelowProducerId: since([0, 3], bigint64, 0n),
  v3AndBelowProducerEpoch: since([0, 3], int16, 0),
  v3AndBelowTopics: since([0, 3], arrayOf(addPartitionsToTxnTopic), []),
});

export const addPartitionsToTxnResponse = addPartitionsToTxn.message({
  throttleTimeMs: int32,
  errorCode: since(4, int16, 0, ignorable),
  resultsByTransaction: since(
    4,
    arrayOf({ transactionalId: string, topicResults: arrayOf(addPartitionsToTxnTopicResult) }),
    [],
  ),
  resultsByTopicV3AndBelow: since([0, 3], arrayOf(addPartitionsToTxnTopicResult), []),
});

export type AddPartitionsToTxnRequest = BodyOf<typeof addPartitionsToTxnRequest>;
export type AddPartitionsToTxnResponse = BodyOf<typeof addPartitionsToTxnResponse>;
