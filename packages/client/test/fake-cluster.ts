/**
 * A cluster of scripted brokers over loopback that keeps what is produced and serves it again: enough of
 * Kafka to run producer, consumer and admin against, with faults on demand. Group membership is not
 * here: tests script it where they need it.
 */
import {
  apis,
  type BodyOf,
  baseSequence,
  batchSize,
  errorCodes,
  type KafkaErrorName,
  lastOffset,
  producerId,
  recordCount,
  setBaseOffset,
} from '@odradek/protocol';
import { millis, nodeEnvironment } from '@odradek/runtime';
import { partitionKey } from '../src/topic-partition.ts';
import { FakeBroker } from './fake-broker.ts';

interface FakePartition {
  leader: number;
  leaderEpoch: number;
  readonly batches: Buffer[];
  endOffset: number;
  startOffset: number;
  /** By producer id: the next sequence number. */
  readonly sequences: Map<bigint, number>;
}

type ProduceAnswer = BodyOf<
  typeof apis.produce.response
>['responses'][number]['partitionResponses'][number];

export class FakeCluster {
  readonly brokers: FakeBroker[] = [];
  readonly partitions = new Map<string, FakePartition>();
  readonly topics = new Map<string, number>();
  /** Partition count of topics that a Metadata request with permission creates; null: none. */
  autoCreate: number | null = null;
  /** Taken in order by the next produced batches: an error, or an answer that never comes. */
  readonly produceFaults: (KafkaErrorName | 'hang up before' | 'hang up after')[] = [];
  readonly fetchFaults: KafkaErrorName[] = [];
  maxRecordsPerBatch = Number.POSITIVE_INFINITY;
  nextProducerId = 100n;
  controllerId = 0;
  /** By `group topic-partition`. */
  readonly committed = new Map<string, number>();
  /** Wakes fetches that wait for more. */
  readonly #arrivals = new Set<() => void>();

  async start(brokerCount: number): Promise<this> {
    for (let id = 0; id < brokerCount; id += 1) {
      const broker = await new FakeBroker().start();
      this.brokers.push(broker);
      this.#script(broker, id);
    }
    return this;
  }

  async stop(): Promise<void> {
    for (const broker of this.brokers) await broker.stop();
    for (const wake of this.#arrivals) wake();
  }

  get bootstrapServers(): string {
    return this.brokers.map(({ port }) => `127.0.0.1:${port}`).join(',');
  }

  createTopic(name: string, partitionCount: number): void {
    this.topics.set(name, partitionCount);
    for (let partition = 0; partition < partitionCount; partition += 1)
      this.partitions.set(partitionKey({ topic: name, partition }), {
        leader: partition % this.brokers.length,
        leaderEpoch: 0,
        batches: [],
        endOffset: 0,
        startOffset: 0,
        sequences: new Map(),
      });
  }

  partition(topic: string, partition: number): FakePartition {
    const found = this.partitions.get(partitionKey({ topic, partition }));
    if (found === undefined) throw new Error(`no ${topic}-${partition}`);
    return found;
  }

  moveLeader(topic: string, partition: number, leader: number): void {
    const found = this.partition(topic, partition);
    found.leader = leader;
    found.leaderEpoch += 1;
  }

  /** Puts a batch into a partition, as a leader does. */
  append(topic: string, partition: number, batch: Buffer): number {
    const found = this.partition(topic, partition);
    const baseOffset = found.endOffset;
    const copy = Buffer.from(batch);
    setBaseOffset(copy, 0, baseOffset);
    found.batches.push(copy);
    found.endOffset = lastOffset(copy, 0) + 1;
    for (const wake of this.#arrivals) wake();
    return baseOffset;
  }

  #script(broker: FakeBroker, id: number): void {
    broker
      .on(apis.metadata, ({ topics, allowAutoTopicCreation }) => {
        const names = topics?.map(({ name }) => name ?? '') ?? [...this.topics.keys()];
        for (const name of names)
          if (this.autoCreate !== null && allowAutoTopicCreation && !this.topics.has(name))
            this.createTopic(name, this.autoCreate);
        return {
          brokers: this.brokers.map(({ port }, nodeId) => ({ nodeId, host: '127.0.0.1', port })),
          clusterId: 'fake',
          controllerId: this.controllerId,
          topics: names.map((name) => this.#describe(name)),
        };
      })
      .on(apis.initProducerId, () => ({
        throttleTimeMs: 0,
        errorCode: 0,
        producerId: this.nextProducerId++,
        producerEpoch: 0,
      }))
      .on(apis.produce, ({ topicData, acks }, { connection }) => {
        const fault = this.produceFaults.shift();
        if (fault === 'hang up before') {
          connection.destroy();
          return null;
        }
        const responses = topicData.map(({ name, partitionData }) => ({
          name,
          partitionResponses: partitionData.map(({ index, records }) =>
            this.#produce(id, name, index, records ?? Buffer.alloc(0), fault),
          ),
        }));
        if (fault === 'hang up after') connection.destroy();
        return acks === 0 || fault === 'hang up after' ? null : { responses };
      })
      .on(apis.fetch, (request) => this.#fetch(id, request))
      .on(apis.listOffsets, ({ topics }) => ({
        topics: topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex, timestamp }) => {
            const found = this.partition(name, partitionIndex);
            const isLeader = found.leader === id;
            return {
              partitionIndex,
              errorCode: isLeader ? 0 : errorCodes.NOT_LEADER_OR_FOLLOWER,
              offset: timestamp === -2 ? found.startOffset : found.endOffset,
            };
          }),
        })),
      }))
      .on(
        apis.findCoordinator,
        () => ({
          errorCode: 0,
          nodeId: 0,
          host: '127.0.0.1',
          port: this.brokers[0]?.port ?? 0,
        }),
        [0, 3],
      )
      .on(apis.offsetCommit, ({ groupId, topics }) => ({
        topics: topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex, committedOffset }) => {
            const key = partitionKey({ topic: name, partition: partitionIndex });
            this.committed.set(`${groupId} ${key}`, committedOffset);
            return { partitionIndex, errorCode: 0 };
          }),
        })),
      }))
      .on(
        apis.offsetFetch,
        ({ groupId, topics }) => ({
          topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
            name,
            partitions: partitionIndexes.map((partition) => {
              const key = partitionKey({ topic: name, partition });
              return {
                partitionIndex: partition,
                committedOffset: this.committed.get(`${groupId} ${key}`) ?? -1,
                metadata: '',
                errorCode: 0,
              };
            }),
          })),
        }),
        [1, 7],
      );
  }

  #describe(name: string) {
    const count = this.topics.get(name);
    if (count === undefined)
      return { name, errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION, partitions: [] };
    const ids = this.brokers.map((_, id) => id);
    return {
      name,
      errorCode: 0,
      partitions: Array.from({ length: count }, (_, partitionIndex) => {
        const { leader, leaderEpoch } = this.partition(name, partitionIndex);
        return {
          errorCode: 0,
          partitionIndex,
          leaderId: leader,
          leaderEpoch,
          replicaNodes: ids,
          isrNodes: ids,
        };
      }),
    };
  }

  #produce(
    brokerId: number,
    topic: string,
    index: number,
    records: Buffer,
    fault: KafkaErrorName | 'hang up before' | 'hang up after' | undefined,
  ): Pick<ProduceAnswer, 'index' | 'errorCode' | 'baseOffset'> {
    const refuse = (name: KafkaErrorName) => ({
      index,
      errorCode: errorCodes[name],
      baseOffset: -1,
    });
    if (fault !== undefined && fault !== 'hang up after' && fault !== 'hang up before')
      return refuse(fault);
    const partition = this.partition(topic, index);
    if (partition.leader !== brokerId) return refuse('NOT_LEADER_OR_FOLLOWER');
    if (batchSize(records, 0) !== records.length) return refuse('CORRUPT_MESSAGE');
    if (recordCount(records, 0) > this.maxRecordsPerBatch) return refuse('MESSAGE_TOO_LARGE');
    const id = producerId(records, 0);
    if (id >= 0n) {
      const expected = partition.sequences.get(id) ?? 0;
      const sequence = baseSequence(records, 0);
      if (sequence < expected) return refuse('DUPLICATE_SEQUENCE_NUMBER');
      if (sequence > expected) return refuse('OUT_OF_ORDER_SEQUENCE_NUMBER');
      partition.sequences.set(id, expected + recordCount(records, 0));
    }
    return { index, errorCode: 0, baseOffset: this.append(topic, index, records) };
  }

  async #fetch(brokerId: number, request: BodyOf<typeof apis.fetch.request>) {
    const fault = this.fetchFaults.shift();
    const answer = () => ({
      responses: request.topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition, fetchOffset }) => {
          const found = this.partition(topic, partition);
          const code = this.#fetchCode(found, brokerId, fetchOffset, fault);
          const batches = found.batches.filter((batch) => lastOffset(batch, 0) >= fetchOffset);
          return {
            partitionIndex: partition,
            errorCode: code,
            highWatermark: found.endOffset,
            records: code === 0 ? Buffer.concat(batches) : null,
          };
        }),
      })),
    });
    const first = answer();
    const hasNews = first.responses.some(({ partitions }) =>
      partitions.some(({ errorCode, records }) => errorCode !== 0 || (records?.length ?? 0) > 0),
    );
    if (hasNews) return first;
    await new Promise<void>((resolve) => {
      const { clock, timers } = nodeEnvironment();
      const wake = (): void => {
        disarm();
        this.#arrivals.delete(wake);
        resolve();
      };
      const disarm = timers.wakeAt(millis(clock.now() + request.maxWaitMs), wake);
      this.#arrivals.add(wake);
    });
    return answer();
  }

  #fetchCode(
    partition: FakePartition,
    brokerId: number,
    offset: number,
    fault: KafkaErrorName | undefined,
  ): number {
    if (fault !== undefined) return errorCodes[fault];
    if (partition.leader !== brokerId) return errorCodes.NOT_LEADER_OR_FOLLOWER;
    const isThere = offset >= partition.startOffset && offset <= partition.endOffset;
    return isThere ? 0 : errorCodes.OFFSET_OUT_OF_RANGE;
  }
}
