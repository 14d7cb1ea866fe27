/** AlterPartition for older controllers: whatever form the leader hands over, the ISR arrives. */
import { expect, test } from '@jest/globals';
import { apis } from '@odradek/protocol';
import { alterPartitionMessage } from '../../src/controller/alter-partition-message.ts';

const { request } = apis.alterPartition;
const withEpochs = { newIsrWithEpochs: [{ brokerId: 1, brokerEpoch: -1 }, { brokerId: 2 }] };
const plain = { newIsr: [1, 2] };

test.each(
  [0, 1, 2, 3].flatMap((version) =>
    [withEpochs, plain, { ...withEpochs, ...plain }].map((isr) => ({ version, isr })),
  ),
)('v$version from $isr', ({ version, isr }) => {
  const topicId = 'F1aTlpZ7SWqk6v8Rj0Qm2A';
  const partition = {
    partitionIndex: 0,
    leaderEpoch: 1,
    partitionEpoch: 2,
    leaderRecoveryState: 1,
  };
  const topics = [{ topicName: 't', topicId, partitions: [{ ...partition, ...isr }] }];
  const message = alterPartitionMessage({ brokerId: 1, brokerEpoch: 5, topics }, version);
  const decoded = request.decode(request.encode(message, version), version).topics[0];
  const { newIsr = [], newIsrWithEpochs = [], leaderRecoveryState } = decoded?.partitions[0] ?? {};
  const ids = version < 3 ? newIsr : newIsrWithEpochs.map(({ brokerId }) => brokerId);
  expect(ids).toEqual([1, 2]);
  expect(leaderRecoveryState).toBe(version === 0 ? 0 : 1);
  expect(decoded?.topicName).toBe(version < 2 ? 't' : '');
});
