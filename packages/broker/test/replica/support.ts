/**
 * A few brokers' data planes in one process: real logs in temporary folders, real sockets, and a
 * controller that does what the test says.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BrokerConnection } from '@odradek/client';
import {
  type AlterPartitionResponse,
  apis,
  decodeRecordSet,
  encodeBatch,
  errorCodes,
  type FetchResponse,
  type fetchRequest,
  type InputOf,
  type KafkaErrorName,
  kafkaErrorOf,
  type leaderAndIsrRequest,
  type stopReplicaRequest,
  type updateMetadataRequest,
} from '@odradek/protocol';
import { BufferPool, type Environment, type LogFields, nodeEnvironment } from '@odradek/runtime';
import { alterReplicaLogDirsHandler } from '../../src/api/alter-replica-log-dirs.ts';
import { apiVersionsHandler } from '../../src/api/api-versions.ts';
import { deleteRecordsHandler } from '../../src/api/delete-records.ts';
import { describeLogDirsHandler } from '../../src/api/describe-log-dirs.ts';
import { fetchHandler } from '../../src/api/fetch.ts';
import { leaderAndIsrHandler } from '../../src/api/leader-and-isr.ts';
import { listOffsetsHandler } from '../../src/api/list-offsets.ts';
import { offsetForLeaderEpochHandler } from '../../src/api/offset-for-leader-epoch.ts';
import { produceHandler } from '../../src/api/produce.ts';
import { ApiRegistry } from '../../src/api/registry.ts';
import { stopReplicaHandler } from '../../src/api/stop-replica.ts';
import { defaultLogConfig, type LogConfig } from '../../src/log/log-config.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { ControlFence } from '../../src/metadata/control-fence.ts';
import { MetadataCache } from '../../src/metadata/metadata-cache.ts';
import { Acceptor } from '../../src/network/acceptor.ts';
import { ByteBudget } from '../../src/network/byte-budget.ts';
import { ControlledReplicas } from '../../src/replica/controlled-replicas.ts';
import { RecordDeletions } from '../../src/replica/record-deletions.ts';
import { ReplicaManager, type ReplicaSettings } from '../../src/replica/replica-manager.ts';
import { connectToSource } from '../../src/replica/source-connection.ts';

export const TOPIC = 'orders';
export const TOPIC_ID = 'Hnp8PwvQRhmUPLDqfAHmGA';
const CLUSTER_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const MIB = 1024 * 1024;

/** Quick enough for a test, slow enough for a busy machine. */
export const settings: ReplicaSettings = {
  lagMaxMs: 1_500,
  fetchWaitMaxMs: 100,
  fetchMinBytes: 1,
  fetchPartitionMaxBytes: MIB,
  fetchResponseMaxBytes: 10 * MIB,
  fetchBackoffMs: 50,
  fetchersPerSource: 1,
  consumerFetchMaxBytes: 55 * MIB,
  fetchSessionSlots: 100,
  readsNearby: false,
  highWatermarkCheckpointMs: 60_000,
  concurrentMoves: null,
  moveQuotaWindowCount: 11,
  moveQuotaWindowMs: 1_000,
};

/** What the controller has stored of the one partition. */
interface Stored {
  leader: number;
  leaderEpoch: number;
  isr: readonly number[];
  partitionEpoch: number;
}

/** The controller, as far as partitions see it: stores ISRs, hands out roles. */
export class TestController {
  readonly brokers = new Map<number, TestBroker>();
  readonly replicas: readonly number[];
  stored: Stored;
  epoch = 1;
  /** The rack of each broker that has one. */
  readonly racks = new Map<number, string>();
  /** Answers to AlterPartition instead of the right one, in turn. */
  readonly refusals: KafkaErrorName[] = [];

  constructor(replicas: readonly number[]) {
    this.replicas = replicas;
    this.stored = { leader: -1, leaderEpoch: 0, isr: replicas, partitionEpoch: 0 };
  }

  /** Makes `leader` lead with `isr`, and tells `told` (all that are there, when not given). */
  async elect(
    leader: number,
    isr: readonly number[],
    told = [...this.brokers.keys()],
  ): Promise<void> {
    this.stored = {
      leader,
      leaderEpoch: this.stored.leaderEpoch + 1,
      isr,
      partitionEpoch: this.stored.partitionEpoch + 1,
    };
    await Promise.all(told.map((id) => this.assign(id)));
  }

  /** Tells one broker its role. */
  async assign(id: number): Promise<void> {
    const broker = this.brokers.get(id);
    if (broker === undefined) throw new Error(`no broker ${id}`);
    const response = await broker.send(apis.leaderAndIsr, 7, this.leaderAndIsr());
    const codes = response.topics.flatMap(({ partitionErrors }) =>
      partitionErrors.map(({ errorCode }) => kafkaErrorOf(errorCode)),
    );
    if (response.errorCode !== 0 || codes.some((code) => code !== 'NONE'))
      throw new Error(`broker ${id} answered ${kafkaErrorOf(response.errorCode)} ${codes}`);
  }

  leaderAndIsr(): InputOf<typeof leaderAndIsrRequest> {
    return {
      controllerId: 1,
      controllerEpoch: this.epoch,
      topicStates: [
        {
          topicName: TOPIC,
          topicId: TOPIC_ID,
          partitionStates: [
            {
              partitionIndex: 0,
              controllerEpoch: this.epoch,
              replicas: this.replicas,
              ...this.stored,
            },
          ],
        },
      ],
      liveLeaders: [],
    };
  }

  stopReplica(deletePartition: boolean): InputOf<typeof stopReplicaRequest> {
    return {
      controllerId: 1,
      controllerEpoch: this.epoch,
      topicStates: [
        {
          topicName: TOPIC,
          partitionStates: [
            { partitionIndex: 0, leaderEpoch: this.stored.leaderEpoch, deletePartition },
          ],
        },
      ],
    };
  }

  /** Tells every broker who is alive, and by which id the topic goes. */
  announce(alive = [...this.brokers.keys()], topicId = TOPIC_ID): void {
    const update: InputOf<typeof updateMetadataRequest> = {
      controllerId: 1,
      controllerEpoch: this.epoch,
      topicStates: [
        {
          topicName: TOPIC,
          topicId,
          partitionStates: [
            {
              partitionIndex: 0,
              controllerEpoch: this.epoch,
              leader: this.stored.leader,
              leaderEpoch: this.stored.leaderEpoch,
              isr: this.stored.isr,
              zkVersion: this.stored.partitionEpoch,
              replicas: this.replicas,
            },
          ],
        },
      ],
      liveBrokers: alive.map((id) => ({
        id,
        endpoints: [
          {
            port: this.brokers.get(id)?.port ?? 0,
            host: '127.0.0.1',
            listener: 'PLAINTEXT',
            securityProtocol: 0,
          },
        ],
        rack: this.racks.get(id) ?? null,
      })),
    };
    const { request } = apis.updateMetadata;
    for (const broker of this.brokers.values())
      broker.metadata.apply(request.decode(request.encode(update, 8), 8));
  }

  /** AlterPartition, decided as the real controller decides it. */
  alterPartition(asked: Parameters<ReplicaManagerAlter>[0]): Promise<AlterPartitionResponse> {
    const refusal = this.refusals.shift();
    const topics = asked.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions.map(({ partitionIndex, leaderEpoch, partitionEpoch, newIsr }) => {
        const errorCode =
          refusal === undefined ? this.#judge(leaderEpoch, partitionEpoch) : errorCodes[refusal];
        if (errorCode === 0)
          this.stored = {
            ...this.stored,
            isr: newIsr ?? [],
            partitionEpoch: this.stored.partitionEpoch + 1,
          };
        return {
          partitionIndex,
          errorCode,
          leaderId: this.stored.leader,
          leaderEpoch: this.stored.leaderEpoch,
          isr: this.stored.isr,
          leaderRecoveryState: 0,
          partitionEpoch: this.stored.partitionEpoch,
        };
      }),
    }));
    const { response } = apis.alterPartition;
    return Promise.resolve(
      response.decode(response.encode({ throttleTimeMs: 0, errorCode: 0, topics }, 3), 3),
    );
  }

  #judge(leaderEpoch: number, partitionEpoch: number): number {
    if (leaderEpoch !== this.stored.leaderEpoch) return errorCodes.FENCED_LEADER_EPOCH;
    return partitionEpoch === this.stored.partitionEpoch ? 0 : errorCodes.INVALID_UPDATE_VERSION;
  }
}

type ReplicaManagerAlter = ConstructorParameters<typeof ReplicaManager>[0]['alterPartition'];

export interface TestBrokerOptions {
  readonly id: number;
  readonly controller: TestController;
  readonly folder: string;
  readonly environment?: Environment;
  readonly minInsyncReplicas?: number;
  readonly settings?: Partial<ReplicaSettings>;
  readonly tailCacheBytes?: number;
  readonly buffers?: BufferPool;
  /** What the folders of log.dirs end in; one of them, when not given. */
  readonly directories?: readonly string[];
  readonly logConfig?: Partial<LogConfig>;
  /** How fast replicas move between directories; changes at any time. */
  readonly moveQuota?: { bytesPerSecond: number };
}

export class TestBroker {
  readonly id: number;
  readonly port: number;
  readonly metadata: MetadataCache;
  readonly logs: LogManager;
  readonly replicas: ReplicaManager;
  readonly controlled: ControlledReplicas;
  readonly lines: { message: string; fields: LogFields }[];
  /** Bytes of answers that peers have not taken, and of requests. */
  readonly answers: ByteBudget;
  readonly requests: ByteBudget;
  readonly #acceptor: Acceptor;
  /** One for the test's clients, one for the controller: requests of one connection wait for each other. */
  readonly #connections = new Map<'client' | 'controller', BrokerConnection>();
  /** The coordinator session is in doubt. */
  readonly state: { fenced: boolean; minInsyncReplicas: number };

  private constructor(parts: {
    id: number;
    metadata: MetadataCache;
    logs: LogManager;
    replicas: ReplicaManager;
    controlled: ControlledReplicas;
    acceptor: Acceptor;
    state: { fenced: boolean; minInsyncReplicas: number };
    lines: { message: string; fields: LogFields }[];
    answers: ByteBudget;
    requests: ByteBudget;
  }) {
    this.id = parts.id;
    this.metadata = parts.metadata;
    this.logs = parts.logs;
    this.replicas = parts.replicas;
    this.controlled = parts.controlled;
    this.#acceptor = parts.acceptor;
    this.state = parts.state;
    this.lines = parts.lines;
    this.answers = parts.answers;
    this.requests = parts.requests;
    this.port = parts.acceptor.ports.get('PLAINTEXT') ?? 0;
  }

  static async start(options: TestBrokerOptions): Promise<TestBroker> {
    const lines: { message: string; fields: LogFields }[] = [];
    const note = (message: string, fields: LogFields = {}) => void lines.push({ message, fields });
    const log = { error: note, warn: note, info: note, debug: note, child: () => log };
    const environment = { ...(options.environment ?? nodeEnvironment({ poison: true })), log };
    const { id, controller } = options;
    const metadata = new MetadataCache();
    const state = { fenced: false, minInsyncReplicas: options.minInsyncReplicas ?? 1 };
    const { buffers = new BufferPool({ poison: true }) } = options;
    const logs = await LogManager.open({
      directories: (options.directories ?? ['']).map((name) =>
        path.join(options.folder, `broker-${id}${name}`),
      ),
      clusterId: CLUSTER_ID,
      brokerId: id,
      logConfigOf: () => ({ ...defaultLogConfig, retentionMs: -1, ...options.logConfig }),
      environment,
      buffers,
      tailCacheBytes: options.tailCacheBytes,
    });
    const answers = new ByteBudget(64 * MIB);
    const requests = new ByteBudget(64 * MIB, () => logs.overLimit);
    const replicas = new ReplicaManager({
      brokerId: id,
      environment,
      settings: { ...settings, ...options.settings },
      logs,
      metadata,
      room: answers,
      fenced: () => state.fenced,
      brokerEpoch: () => id,
      minInsyncReplicasOf: () => state.minInsyncReplicas,
      moveBytesPerSecond: () => options.moveQuota?.bytesPerSecond ?? Number.POSITIVE_INFINITY,
      alterPartition: (topics) => controller.alterPartition(topics),
      connectTo: (sourceId) =>
        connectToSource(sourceId, {
          brokerId: id,
          environment,
          buffers,
          requestTimeoutMs: 5_000,
          connectTimeoutMs: 5_000,
          endpointOf: (broker) => metadata.liveBroker(broker)?.endpoints.get('PLAINTEXT') ?? null,
        }),
    });
    const controlled = new ControlledReplicas(replicas, new ControlFence(() => id));
    const registry = new ApiRegistry();
    registry.register(
      apiVersionsHandler(registry),
      produceHandler({
        replicas,
        endpointOf: () => null,
        topicNameById: (topicId) => metadata.topicNameById(topicId),
        isInternal: (topic) => topic.startsWith('__'),
      }),
      fetchHandler({ replicas }),
      listOffsetsHandler({ replicas }),
      offsetForLeaderEpochHandler({ replicas }),
      deleteRecordsHandler({
        deletions: new RecordDeletions({
          replicas,
          deadlines: replicas.deadlines,
          metadata,
          isInternal: (topic) => topic.startsWith('__'),
        }),
      }),
      describeLogDirsHandler({ logs, disk: environment.disk }),
      alterReplicaLogDirsHandler({ replicas }),
      leaderAndIsrHandler({ controlled, prepareTopics: () => Promise.resolve() }),
      stopReplicaHandler({ controlled }),
    );
    const acceptor = await Acceptor.bind(
      [{ listenerName: 'PLAINTEXT', host: '127.0.0.1', port: 0 }],
      {
        network: environment.network,
        clock: environment.clock,
        timers: environment.timers,
        log,
        registry,
        requestMaxBytes: 10 * MIB,
        maxIdleMs: 600_000,
        maxConnections: 100,
        maxConnectionsFrom: () => 100,
        requests,
        answers,
        buffers,
      },
    );
    acceptor.open();
    const broker = new TestBroker({
      id,
      metadata,
      logs,
      replicas,
      controlled,
      acceptor,
      state,
      lines,
      answers,
      requests,
    });
    controller.brokers.set(id, broker);
    return broker;
  }

  /** Typed requests over one connection of the test's. */
  async send<A extends (typeof apis)[keyof typeof apis]>(
    api: A,
    version: number,
    body: InputOf<A['request']>,
  ): Promise<ReturnType<A['response']['decode']>> {
    const role = api.key === apis.leaderAndIsr.key ? 'controller' : 'client';
    let connection = this.#connections.get(role);
    if (connection === undefined) {
      connection = await BrokerConnection.connect({
        host: '127.0.0.1',
        port: this.port,
        clientId: 'test',
        environment: nodeEnvironment({ poison: true }),
        requestTimeoutMs: 20_000,
      });
      this.#connections.set(role, connection);
    }
    return (await connection.send(api as never, version, body as never)) as never;
  }

  /** Appends one record per value; resolves with the error and the offset of the first. */
  async produce(
    values: readonly string[],
    acks: -1 | 1 = -1,
    timeoutMs = 10_000,
  ): Promise<{ error: KafkaErrorName; offset: number }> {
    const response = await this.send(apis.produce, 11, {
      acks,
      timeoutMs,
      topicData: [{ name: TOPIC, partitionData: [{ index: 0, records: batchOf(values) }] }],
    });
    const partition = response.responses[0]?.partitionResponses[0];
    if (partition === undefined) throw new Error('no answer for the partition');
    return { error: kafkaErrorOf(partition.errorCode), offset: partition.baseOffset };
  }

  /** Reads as a consumer, from `offset` to the high watermark. */
  async consume(offset = 0): Promise<string[]> {
    const values: string[] = [];
    for (let at = offset; ; ) {
      const partition = partitionOf(await this.send(apis.fetch, 17, fetchInput({ offset: at })));
      if (partition.errorCode !== 0) throw new Error(kafkaErrorOf(partition.errorCode));
      const read = recordsOf(partition.records).filter((record) => record.offset >= at);
      if (read.length === 0) return values;
      values.push(...read.map(({ value }) => value));
      at = (read.at(-1)?.offset ?? at) + 1;
    }
  }

  get partition() {
    const partition = this.replicas.partition(TOPIC, 0);
    if (partition === undefined) throw new Error(`broker ${this.id} holds no replica`);
    return partition;
  }

  /** Everything in the log, visible or not. */
  async everything(): Promise<string[]> {
    const { log } = this.partition;
    const slice = await log.read(log.logStartOffset, 100 * MIB, log.logEndOffset, true);
    return recordsOf(Buffer.concat(slice.chunks)).map(({ value }) => value);
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections.values()) connection.close();
    await this.#acceptor.close(0);
    await this.replicas.close();
    await this.logs.close();
  }
}

export const batchOf = (values: readonly string[], producer: object = {}): Buffer =>
  encodeBatch({
    records: values.map((value) => ({
      key: null,
      value: Buffer.from(value),
      timestamp: 1_700_000_000_000,
    })),
    ...producer,
  });

export function recordsOf(records: Buffer | null): { offset: number; value: string }[] {
  if (records === null || records.length === 0) return [];
  const found: { offset: number; value: string }[] = [];
  for (const batch of decodeRecordSet(records))
    for (const { offset, value } of batch.records)
      found.push({ offset, value: value?.toString() ?? '' });
  return found;
}

export function fetchInput(
  changes: {
    offset?: number;
    maxWaitMs?: number;
    minBytes?: number;
    maxBytes?: number;
    replicaId?: number;
    sessionId?: number;
    sessionEpoch?: number;
    currentLeaderEpoch?: number;
    lastFetchedEpoch?: number;
    noTopics?: boolean;
    isolationLevel?: number;
    partitionMaxBytes?: number;
    rackId?: string;
    highWatermark?: bigint;
  } = {},
): InputOf<typeof fetchRequest> {
  const {
    offset = 0,
    maxWaitMs = 0,
    minBytes = 1,
    maxBytes = 50 * MIB,
    noTopics = false,
  } = changes;
  return {
    ...(changes.replicaId === undefined
      ? {}
      : { replicaState: { replicaId: changes.replicaId, replicaEpoch: -1 } }),
    maxWaitMs,
    minBytes,
    maxBytes,
    isolationLevel: changes.isolationLevel ?? 0,
    sessionId: changes.sessionId ?? 0,
    sessionEpoch: changes.sessionEpoch ?? -1,
    rackId: changes.rackId ?? '',
    topics: noTopics
      ? []
      : [
          {
            topicId: TOPIC_ID,
            partitions: [
              {
                partition: 0,
                fetchOffset: offset,
                currentLeaderEpoch: changes.currentLeaderEpoch ?? -1,
                lastFetchedEpoch: changes.lastFetchedEpoch ?? -1,
                partitionMaxBytes: changes.partitionMaxBytes ?? MIB,
                ...(changes.highWatermark === undefined
                  ? {}
                  : { highWatermark: changes.highWatermark }),
              },
            ],
          },
        ],
  };
}

export type FetchedPartition = FetchResponse['responses'][number]['partitions'][number];

export function partitionOf(response: FetchResponse): FetchedPartition {
  const partition = response.responses[0]?.partitions[0];
  if (partition === undefined)
    throw new Error(`no partition in the answer: ${kafkaErrorOf(response.errorCode)}`);
  return partition;
}

/** Brokers 1 to `count`, all told who is alive; gone after `run`. */
export async function withCluster(
  count: number,
  run: (controller: TestController, brokers: TestBroker[], folder: string) => Promise<void>,
  changes: Partial<TestBrokerOptions> = {},
): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'odradek-replica-'));
  const ids = Array.from({ length: count }, (_, index) => index + 1);
  const controller = new TestController(ids);
  try {
    for (const id of ids) await TestBroker.start({ id, controller, folder, ...changes });
    controller.announce();
    await run(controller, [...controller.brokers.values()], folder);
  } finally {
    for (const broker of controller.brokers.values()) await broker.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Turns of the event loop until `holds`. */
export async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000_000; turn += 1) {
    if (holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never came true: ${holds.toString()}`);
}
