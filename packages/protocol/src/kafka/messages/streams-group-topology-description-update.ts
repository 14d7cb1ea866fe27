/** StreamsGroupTopologyDescriptionUpdate (key 93). v0 is in no release. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  int8,
  int16,
  int32,
  nullableString,
  string,
  struct,
} from '../../schema/types.ts';

const streamsGroupTopologyDescriptionUpdate = api({
  key: 93,
  name: 'StreamsGroupTopologyDescriptionUpdate',
  versions: [0, 0],
  flexibleSince: 0,
  unstable: [0],
});

const topologyDescriptionNode = struct({
  name: string,
  nodeType: int8,
  sourceTopics: arrayOf(string),
  sinkTopic: defaulted(nullableString, null),
  stores: arrayOf(string),
  successors: arrayOf(string),
});

export const streamsGroupTopologyDescriptionUpdateRequest =
  streamsGroupTopologyDescriptionUpdate.message({
    groupId: string,
    memberId: string,
    topologyEpoch: int32,
    topologyDescription: struct({
      subtopologies: arrayOf({ subtopologyId: string, nodes: arrayOf(topologyDescriptionNode) }),
      globalStores: arrayOf({
        source: topologyDescriptionNode,
        processor: topologyDescriptionNode,
      }),
    }),
  });

export const streamsGroupTopologyDescriptionUpdateResponse =
  streamsGroupTopologyDescriptionUpdate.message({
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: defaulted(nullableString, null),
  });

export type StreamsGroupTopologyDescriptionUpdateRequest = BodyOf<
  typeof streamsGroupTopologyDescriptionUpdateRequest
>;
export type StreamsGroupTopologyDescriptionUpdateResponse = BodyOf<
  typeof streamsGroupTopologyDescriptionUpdateResponse
>;
