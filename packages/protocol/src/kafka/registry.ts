/**
 * Every request kind by key and by name, with what a dispatcher or a connection needs to know of it.
 *
 * The registry says what can be encoded and decoded; what a broker serves is the broker's to say.
 */
import type { Message } from '../schema/api.ts';
import { requestHeaderVersion, responseHeaderVersion } from './header.ts';
import * as messages from './messages/index.ts';

export interface Api<
  Request extends Message<unknown> = Message<unknown>,
  Response extends Message<unknown> = Message<unknown>,
> {
  readonly key: number;
  /** Kafka's name of it, such as `LeaderAndIsr`. */
  readonly name: string;
  readonly request: Request;
  readonly response: Response;
  /** First and last version that can be encoded and decoded, unstable ones included. */
  readonly minVersion: number;
  readonly maxVersion: number;
  /** First and last version that a release serves by default; null when there is none. */
  readonly stableVersions: readonly [min: number, max: number] | null;
  /** Compact lengths and tagged fields; false for any version of an api that never has them. */
  isFlexible(version: number): boolean;
  requestHeaderVersion(version: number): 0 | 1 | 2;
  responseHeaderVersion(version: number): 0 | 1;
}

function pair<Request extends Message<unknown>, Response extends Message<unknown>>(
  request: Request,
  response: Response,
): Api<Request, Response> {
  const { key, name, versions, unstable } = request.spec;
  if (key === null) throw new TypeError(`${name} is no request`);
  const [minVersion, maxVersion] = versions;
  let [first, last] = versions;
  while (unstable.includes(first)) first++;
  while (unstable.includes(last)) last--;
  const isFlexible = (version: number) => request.isFlexible(version);
  return {
    key,
    name,
    request,
    response,
    minVersion,
    maxVersion,
    stableVersions: first <= last ? [first, last] : null,
    isFlexible,
    requestHeaderVersion: (version) => requestHeaderVersion(key, version, isFlexible(version)),
    responseHeaderVersion: (version) => responseHeaderVersion(key, isFlexible(version)),
  };
}

/** All apis by name, in the order of their keys. */
export const apis = {
  produce: pair(messages.produceRequest, messages.produceResponse),
  fetch: pair(messages.fetchRequest, messages.fetchResponse),
  listOffsets: pair(messages.listOffsetsRequest, messages.listOffsetsResponse),
  metadata: pair(messages.metadataRequest, messages.metadataResponse),
  leaderAndIsr: pair(messages.leaderAndIsrRequest, messages.leaderAndIsrResponse),
  stopReplica: pair(messages.stopReplicaRequest, messages.stopReplicaResponse),
  updateMetadata: pair(messages.updateMetadataRequest, messages.updateMetadataResponse),
  controlledShutdown: pair(messages.controlledShutdownRequest, messages.controlledShutdownResponse),
  offsetCommit: pair(messages.offsetCommitRequest, messages.offsetCommitResponse),
  offsetFetch: pair(messages.offsetFetchRequest, messages.offsetFetchResponse),
  findCoordinator: pair(messages.findCoordinatorRequest, messages.findCoordinatorResponse),
  joinGroup: pair(messages.joinGroupRequest, messages.joinGroupResponse),
  heartbeat: pair(messages.heartbeatRequest, messages.heartbeatResponse),
  leaveGroup: pair(messages.leaveGroupRequest, messages.leaveGroupResponse),
  syncGroup: pair(messages.syncGroupRequest, messages.syncGroupResponse),
  describeGroups: pair(messages.describeGroupsRequest, messages.describeGroupsResponse),
  listGroups: pair(messages.listGroupsRequest, messages.listGroupsResponse),
  saslHandshake: pair(messages.saslHandshakeRequest, messages.saslHandshakeResponse),
  apiVersions: pair(messages.apiVersionsRequest, messages.apiVersionsResponse),
  createTopics: pair(messages.createTopicsRequest, messages.createTopicsResponse),
  deleteTopics: pair(messages.deleteTopicsRequest, messages.deleteTopicsResponse),
  deleteRecords: pair(messages.deleteRecordsRequest, messages.deleteRecordsResponse),
  initProducerId: pair(messages.initProducerIdRequest, messages.initProducerIdResponse),
  offsetForLeaderEpoch: pair(
    messages.offsetForLeaderEpochRequest,
    messages.offsetForLeaderEpochResponse,
  ),
  addPartitionsToTxn: pair(messages.addPartitionsToTxnRequest, messages.addPartitionsToTxnResponse),
  addOffsetsToTxn: pair(messages.addOffsetsToTxnRequest, messages.addOffsetsToTxnResponse),
  endTxn: pair(messages.endTxnRequest, messages.endTxnResponse),
  writeTxnMarkers: pair(messages.writeTxnMarkersRequest, messages.writeTxnMarkersResponse),
  txnOffsetCommit: pair(messages.txnOffsetCommitRequest, messages.txnOffsetCommitResponse),
  describeAcls: pair(messages.describeAclsRequest, messages.describeAclsResponse),
  createAcls: pair(messages.createAclsRequest, messages.createAclsResponse),
  deleteAcls: pair(messages.deleteAclsRequest, messages.deleteAclsResponse),
  describeConfigs: pair(messages.describeConfigsRequest, messages.describeConfigsResponse),
  alterConfigs: pair(messages.alterConfigsRequest, messages.alterConfigsResponse),
  alterReplicaLogDirs: pair(
    messages.alterReplicaLogDirsRequest,
    messages.alterReplicaLogDirsResponse,
  ),
  describeLogDirs: pair(messages.describeLogDirsRequest, messages.describeLogDirsResponse),
  saslAuthenticate: pair(messages.saslAuthenticateRequest, messages.saslAuthenticateResponse),
  createPartitions: pair(messages.createPartitionsRequest, messages.createPartitionsResponse),
  createDelegationToken: pair(
    messages.createDelegationTokenRequest,
    messages.createDelegationTokenResponse,
  ),
  renewDelegationToken: pair(
    messages.renewDelegationTokenRequest,
    messages.renewDelegationTokenResponse,
  ),
  expireDelegationToken: pair(
    messages.expireDelegationTokenRequest,
    messages.expireDelegationTokenResponse,
  ),
  describeDelegationToken: pair(
    messages.describeDelegationTokenRequest,
    messages.describeDelegationTokenResponse,
  ),
  deleteGroups: pair(messages.deleteGroupsRequest, messages.deleteGroupsResponse),
  electLeaders: pair(messages.electLeadersRequest, messages.electLeadersResponse),
  incrementalAlterConfigs: pair(
    messages.incrementalAlterConfigsRequest,
    messages.incrementalAlterConfigsResponse,
  ),
  alterPartitionReassignments: pair(
    messages.alterPartitionReassignmentsRequest,
    messages.alterPartitionReassignmentsResponse,
  ),
  listPartitionReassignments: pair(
    messages.listPartitionReassignmentsRequest,
    messages.listPartitionReassignmentsResponse,
  ),
  offsetDelete: pair(messages.offsetDeleteRequest, messages.offsetDeleteResponse),
  describeClientQuotas: pair(
    messages.describeClientQuotasRequest,
    messages.describeClientQuotasResponse,
  ),
  alterClientQuotas: pair(messages.alterClientQuotasRequest, messages.alterClientQuotasResponse),
  describeUserScramCredentials: pair(
    messages.describeUserScramCredentialsRequest,
    messages.describeUserScramCredentialsResponse,
  ),
  alterUserScramCredentials: pair(
    messages.alterUserScramCredentialsRequest,
    messages.alterUserScramCredentialsResponse,
  ),
  vote: pair(messages.voteRequest, messages.voteResponse),
  beginQuorumEpoch: pair(messages.beginQuorumEpochRequest, messages.beginQuorumEpochResponse),
  endQuorumEpoch: pair(messages.endQuorumEpochRequest, messages.endQuorumEpochResponse),
  describeQuorum: pair(messages.describeQuorumRequest, messages.describeQuorumResponse),
  alterPartition: pair(messages.alterPartitionRequest, messages.alterPartitionResponse),
  updateFeatures: pair(messages.updateFeaturesRequest, messages.updateFeaturesResponse),
  envelope: pair(messages.envelopeRequest, messages.envelopeResponse),
  fetchSnapshot: pair(messages.fetchSnapshotRequest, messages.fetchSnapshotResponse),
  describeCluster: pair(messages.describeClusterRequest, messages.describeClusterResponse),
  describeProducers: pair(messages.describeProducersRequest, messages.describeProducersResponse),
  brokerRegistration: pair(messages.brokerRegistrationRequest, messages.brokerRegistrationResponse),
  brokerHeartbeat: pair(messages.brokerHeartbeatRequest, messages.brokerHeartbeatResponse),
  unregisterBroker: pair(messages.unregisterBrokerRequest, messages.unregisterBrokerResponse),
  describeTransactions: pair(
    messages.describeTransactionsRequest,
    messages.describeTransactionsResponse,
  ),
  listTransactions: pair(messages.listTransactionsRequest, messages.listTransactionsResponse),
  allocateProducerIds: pair(
    messages.allocateProducerIdsRequest,
    messages.allocateProducerIdsResponse,
  ),
  consumerGroupHeartbeat: pair(
    messages.consumerGroupHeartbeatRequest,
    messages.consumerGroupHeartbeatResponse,
  ),
  consumerGroupDescribe: pair(
    messages.consumerGroupDescribeRequest,
    messages.consumerGroupDescribeResponse,
  ),
  controllerRegistration: pair(
    messages.controllerRegistrationRequest,
    messages.controllerRegistrationResponse,
  ),
  getTelemetrySubscriptions: pair(
    messages.getTelemetrySubscriptionsRequest,
    messages.getTelemetrySubscriptionsResponse,
  ),
  pushTelemetry: pair(messages.pushTelemetryRequest, messages.pushTelemetryResponse),
  assignReplicasToDirs: pair(
    messages.assignReplicasToDirsRequest,
    messages.assignReplicasToDirsResponse,
  ),
  listConfigResources: pair(
    messages.listConfigResourcesRequest,
    messages.listConfigResourcesResponse,
  ),
  describeTopicPartitions: pair(
    messages.describeTopicPartitionsRequest,
    messages.describeTopicPartitionsResponse,
  ),
  shareGroupHeartbeat: pair(
    messages.shareGroupHeartbeatRequest,
    messages.shareGroupHeartbeatResponse,
  ),
  shareGroupDescribe: pair(messages.shareGroupDescribeRequest, messages.shareGroupDescribeResponse),
  shareFetch: pair(messages.shareFetchRequest, messages.shareFetchResponse),
  shareAcknowledge: pair(messages.shareAcknowledgeRequest, messages.shareAcknowledgeResponse),
  addRaftVoter: pair(messages.addRaftVoterRequest, messages.addRaftVoterResponse),
  removeRaftVoter: pair(messages.removeRaftVoterRequest, messages.removeRaftVoterResponse),
  updateRaftVoter: pair(messages.updateRaftVoterRequest, messages.updateRaftVoterResponse),
  initializeShareGroupState: pair(
    messages.initializeShareGroupStateRequest,
    messages.initializeShareGroupStateResponse,
  ),
  readShareGroupState: pair(
    messages.readShareGroupStateRequest,
    messages.readShareGroupStateResponse,
  ),
  writeShareGroupState: pair(
    messages.writeShareGroupStateRequest,
    messages.writeShareGroupStateResponse,
  ),
  deleteShareGroupState: pair(
    messages.deleteShareGroupStateRequest,
    messages.deleteShareGroupStateResponse,
  ),
  readShareGroupStateSummary: pair(
    messages.readShareGroupStateSummaryRequest,
    messages.readShareGroupStateSummaryResponse,
  ),
  streamsGroupHeartbeat: pair(
    messages.streamsGroupHeartbeatRequest,
    messages.streamsGroupHeartbeatResponse,
  ),
  streamsGroupDescribe: pair(
    messages.streamsGroupDescribeRequest,
    messages.streamsGroupDescribeResponse,
  ),
  describeShareGroupOffsets: pair(
    messages.describeShareGroupOffsetsRequest,
    messages.describeShareGroupOffsetsResponse,
  ),
  alterShareGroupOffsets: pair(
    messages.alterShareGroupOffsetsRequest,
    messages.alterShareGroupOffsetsResponse,
  ),
  deleteShareGroupOffsets: pair(
    messages.deleteShareGroupOffsetsRequest,
    messages.deleteShareGroupOffsetsResponse,
  ),
  streamsGroupTopologyDescriptionUpdate: pair(
    messages.streamsGroupTopologyDescriptionUpdateRequest,
    messages.streamsGroupTopologyDescriptionUpdateResponse,
  ),
  unregisterController: pair(
    messages.unregisterControllerRequest,
    messages.unregisterControllerResponse,
  ),
} as const;

const byKey: readonly (Api | undefined)[] = Object.values<Api>(apis).reduce<(Api | undefined)[]>(
  (list, api) => {
    while (list.length < api.key) list.push(undefined);
    list[api.key] = api;
    return list;
  },
  [],
);

/** The api of a key; undefined when there is none. */
export function apiByKey(key: number): Api | undefined {
  return byKey[key];
}
