/** DescribeCluster (key 60): the brokers that are alive, and which of them is the controller. */
import { apis, errorCodes } from '@odradek/protocol';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED } from './authorized-operations.ts';
import { handler, type RegisteredHandler } from './registry.ts';

/** Asked of brokers; controllers of another kind (2) do not exist here. */
const BROKERS = 1;

export function describeClusterHandler({
  metadata,
  clusterId,
}: {
  readonly metadata: MetadataView;
  readonly clusterId: string;
}): RegisteredHandler {
  return handler(apis.describeCluster, [0, 1], (request, { listenerName }) => {
    const isAnswerable = request.endpointType === BROKERS;
    return {
      throttleTimeMs: 0,
      errorCode: isAnswerable ? errorCodes.NONE : errorCodes.UNSUPPORTED_ENDPOINT_TYPE,
      errorMessage: isAnswerable ? null : 'This cluster has no endpoints but those of its brokers.',
      endpointType: BROKERS,
      clusterId,
      controllerId: metadata.controllerId,
      brokers: isAnswerable
        ? [...metadata.liveBrokers()].flatMap(({ id, rack, endpoints }) => {
            const endpoint = endpoints.get(listenerName);
            if (endpoint === undefined) return [];
            return [{ brokerId: id, host: endpoint.host, port: endpoint.port, rack }];
          })
        : [],
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? CLUSTER_OPERATIONS
        : OPERATIONS_NOT_ASKED,
    };
  });
}
