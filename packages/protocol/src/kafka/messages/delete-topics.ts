/**
 * DeleteTopics (key 20). v1: throttling; v3: TOPIC_DELETION_DISABLED may be answered; v4:
 * flexible; v5: errorMessage; v6: topics by id (KIP-516).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  ignorable,
  int16,
  int32,
  nullableIn,
  nullableString,
  since,
  string,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const deleteTopics = api({ key: 20, name: 'DeleteTopics', versions: [0, 6], flexibleSince: 4 });

export const deleteTopicsRequest = deleteTopics.message({
  topics: since(6, arrayOf({ name: defaulted(nullableString, null), topicId: uuid }), []),
  topicNames: since([0, 5], arrayOf(string), [], ignorable),
  timeoutMs: int32,
});

export const deleteTopicsResponse = deleteTopics.message({
  throttleTimeMs: since(1, int32, 0, ignorable),
  responses: arrayOf({
    name: nullableIn(6, string),
    topicId: since(6, uuid, ZERO_UUID, ignorable),
    errorCode: int16,
    errorMessage: since(5, nullableString, null, ignorable),
  }),
});

export type DeleteTopicsRequest = BodyOf<typeof deleteTopicsRequest>;
export type DeleteTopicsResponse = BodyOf<typeof deleteTopicsResponse>;
