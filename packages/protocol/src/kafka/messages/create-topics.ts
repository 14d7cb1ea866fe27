/**
 * CreateTopics (key 19). v1: validateOnly, errorMessage; v2: throttling; v4: partitions and
 * replication factor may be -1 for the default (KIP-464); v5: the answer shows the configuration
 * (KIP-525), flexible; v6: throttling by controller quota (KIP-599); v7: topicId (KIP-516).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  ignorable,
  int8,
  int16,
  int32,
  nullableArrayOf,
  nullableString,
  since,
  string,
  tagged,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const createTopics = api({ key: 19, name: 'CreateTopics', versions: [0, 7], flexibleSince: 5 });

export const createTopicsRequest = createTopics.message({
  topics: arrayOf({
    name: string,
    numPartitions: int32,
    replicationFactor: int16,
    assignments: arrayOf({ partitionIndex: int32, brokerIds: arrayOf(int32) }),
    configs: arrayOf({ name: string, value: nullableString }),
  }),
  timeoutMs: defaulted(int32, 60000),
  validateOnly: since(1, bool, false),
});

export const createTopicsResponse = createTopics.message({
  throttleTimeMs: since(2, int32, 0, ignorable),
  topics: arrayOf({
    name: string,
    topicId: since(7, uuid, ZERO_UUID, ignorable),
    errorCode: int16,
    errorMessage: since(1, nullableString, '', ignorable),
    topicConfigErrorCode: tagged(0, 5, int16, 0, ignorable),
    numPartitions: since(5, int32, -1, ignorable),
    replicationFactor: since(5, int16, -1, ignorable),
    configs: since(
      5,
      nullableArrayOf({
        name: string,
        value: nullableString,
        readOnly: bool,
        configSource: defaulted(int8, -1),
        isSensitive: bool,
      }),
      [],
      ignorable,
    ),
  }),
});

export type CreateTopicsRequest = BodyOf<typeof createTopicsRequest>;
export type CreateTopicsResponse = BodyOf<typeof createTopicsResponse>;
