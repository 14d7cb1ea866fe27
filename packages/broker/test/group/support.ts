/**
 * A group coordinator over a real log in a temporary folder: one partition of the offsets topic, led by this broker, with
 * time that tests move. Appends can be made to fail, or to wait.
 */
import {
  encodeBatch,
  encodeTransactionMarker,
  KafkaError,
  type KafkaErrorName,
  type RecordInput,
} from '@odradek/protocol';
import { type Log, type LogFields, silentLog } from '@odradek/runtime';
import type { JoinRequest, JoinResult } from '../../src/core/group/group-types.ts';
import {
  GroupCoordinator,
  type GroupCoordinatorConfig,
  type OffsetsTopic,
  type OffsetToCommit,
} from '../../src/group/group-coordinator-host.ts';
import type { LogManager } from '../../src/log/log-manager.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import {
  openManager,
  type TimedEnvironment,
  timedEnvironment,
  withFolder,
  written,
} from '../log/support.ts';

export const SESSION_MS = 10_000;
export const RETENTION_MS = 3_600_000;
export const SWEEP_MS = 600_000;
/** Turns of the event loop that something may take: files are real, so it is not known how many. */
const TURNS_MAX = 200_000;
const OFFSETS_TOPIC = '__consumer_offsets';

export const settings: GroupCoordinatorConfig = {
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 1_800_000,
  initialRebalanceDelayMs: 0,
  maxGroupSize: 100,
  offsetMetadataMaxBytes: 20,
  commitTimeoutMs: 5000,
  commitRequiredAcks: -1,
  loadBufferBytes: 4096,
  retentionMs: RETENTION_MS,
  retentionCheckIntervalMs: SWEEP_MS,
};

export const anonymous = { memberId: '', instanceId: null };

export function offsetOf(topic: string, partition: number, offset: number): OffsetToCommit {
  return { topic, partition, offset, leaderEpoch: -1, metadata: '', commitTimestampMs: null };
}

/** A consumer's JoinGroup; what it reads is told to the coordinator in the consumer protocol. */
export function joining(name: string, changes: Partial<JoinRequest> = {}): JoinRequest {
  return {
    memberId: '',
    instanceId: null,
    freshMemberId: name,
    clientId: 'client',
    clientHost: '/127.0.0.1',
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: 30_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription('read') }],
    requiresKnownMemberId: false,
    canSkipAssignment: false,
    ...changes,
  };
}

/** Version 0 of the consumer protocol. */
export function subscription(topic: string): Buffer {
  const name = Buffer.from(topic);
  return Buffer.from([0, 0, 0, 0, 0, 1, 0, name.length, ...name, 255, 255, 255, 255]);
}

export class Bench {
  readonly environment: TimedEnvironment;
  readonly #folder: string;
  readonly #config: GroupCoordinatorConfig;
  #manager: LogManager | null = null;
  #log: PartitionLog | null = null;
  #coordinator: GroupCoordinator | null = null;
  #epoch = 0;
  /** What appends fail with from now on. */
  failWith: KafkaErrorName | null = null;
  /** Set: appends wait here, in order, until they are let go. */
  waiting: (() => void)[] | null = null;
  partitionCount: number | null = 1;

  /** What was logged as a warning or an error. */
  readonly complaints: string[] = [];

  constructor(folder: string, config: Partial<GroupCoordinatorConfig>) {
    this.environment = { ...timedEnvironment(), log: this.#recordingLog() };
    this.#folder = folder;
    this.#config = { ...settings, ...config };
  }

  get log(): PartitionLog {
    if (this.#log === null) throw new Error('the bench is closed');
    return this.#log;
  }

  get coordinator(): GroupCoordinator {
    if (this.#coordinator === null) throw new Error('the bench is closed');
    return this.#coordinator;
  }

  /** Starts over the files that are there; loads when `elect` is left true. */
  async open({ elect = true } = {}): Promise<void> {
    this.#manager = await openManager(this.#folder, { environment: this.environment });
    this.#log = await this.#manager.getOrCreate(OFFSETS_TOPIC, 0, null);
    this.#coordinator = new GroupCoordinator(this.environment, this.#config, this.#topic());
    if (elect) await this.elect();
  }

  async close(): Promise<void> {
    this.#coordinator?.stop();
    await this.#manager?.close();
    this.#coordinator = null;
    this.#log = null;
    this.#manager = null;
  }

  async restart(): Promise<void> {
    await this.close();
    await this.open();
  }

  /** Becomes leader once more, and waits until the groups are loaded. */
  async elect(): Promise<void> {
    this.#epoch += 1;
    this.coordinator.elected(0, this.#epoch);
    await this.until(() => this.coordinator.list().error === 'NONE');
  }

  /** Lets the event loop come round until the condition holds: real files are read and written meanwhile. */
  async until(condition: () => boolean): Promise<void> {
    for (let turns = 0; !condition(); turns++) {
      if (turns > TURNS_MAX)
        throw new Error(`it did not come to pass; complaints: ${this.complaints.join(', ')}`);
      await this.environment.settle(1);
    }
  }

  /** Puts records into the log past the coordinator, as another broker would have written them. */
  async append(
    records: readonly RecordInput[],
    transaction: { readonly producerId: bigint } | null = null,
  ): Promise<void> {
    const batch = encodeBatch({
      records,
      ...(transaction === null
        ? {}
        : { ...transaction, producerEpoch: 0, baseSequence: -1, transactional: true }),
    });
    this.log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'coordinator' });
    await written(this.log);
  }

  async endTransaction(producerId: bigint, kind: 'abort' | 'commit'): Promise<void> {
    const marker = encodeTransactionMarker({
      kind,
      producerId,
      producerEpoch: 0,
      coordinatorEpoch: 0,
      timestamp: 1,
    });
    this.log.appendAsLeader(marker, { leaderEpoch: 0, origin: 'coordinator' });
    await written(this.log);
  }

  #recordingLog(): Log {
    const complain = (message: string, fields?: LogFields): void => {
      const { error } = fields ?? {};
      this.complaints.push(error === undefined ? message : `${message}: ${String(error)}`);
    };
    const log: Log = { ...silentLog, error: complain, warn: complain, child: () => log };
    return log;
  }

  #topic(): OffsetsTopic {
    return {
      partitionCount: () => this.partitionCount,
      log: (partition) => (partition === 0 ? (this.#log ?? undefined) : undefined),
      append: async (_partition, records) => {
        if (this.failWith !== null) throw new KafkaError(this.failWith);
        const { log } = this;
        const result = log.appendAsLeader(records, { leaderEpoch: 0, origin: 'coordinator' });
        await written(log);
        const { waiting } = this;
        if (waiting !== null) await new Promise<void>((resolve) => waiting.push(resolve));
        return result;
      },
    };
  }

  // ---- what members do ---------------------------------------------------------------------------------------

  commit(
    groupId: string,
    offsets: readonly OffsetToCommit[],
    member: { memberId: string; instanceId: string | null } = anonymous,
    generationId = -1,
    retentionMs: number | null = null,
  ): Promise<readonly KafkaErrorName[]> {
    return this.coordinator.commit(groupId, member, generationId, retentionMs, offsets);
  }

  /** `topic-partition@offset` of all that the group has committed. */
  committed(groupId: string): string[] {
    const found = this.coordinator.offsetsOf(groupId);
    if (!found.ok) return [found.error];
    return [...found.value.all()].map(
      ({ topic, partition, committed }) => `${topic}-${partition}@${committed.offset}`,
    );
  }

  /** Joins an empty or new group alone and settles it. */
  async joinAlone(
    groupId: string,
    name: string,
    changes: Partial<JoinRequest> = {},
  ): Promise<JoinResult> {
    const { coordinator, environment } = this;
    const joined = coordinator.join(groupId, joining(name, changes));
    await environment.settle(1);
    environment.pass(0);
    const result = await joined;
    await coordinator.sync(groupId, {
      memberId: result.memberId,
      instanceId: changes.instanceId ?? null,
      generationId: result.generationId,
      protocolType: null,
      protocolName: null,
      assignments: [{ memberId: result.memberId, assignment: Buffer.from('all') }],
    });
    return result;
  }
}

export function withBench(
  test: (bench: Bench) => Promise<void>,
  config: Partial<GroupCoordinatorConfig> = {},
): () => Promise<void> {
  return () =>
    withFolder(async (folder) => {
      const bench = new Bench(folder, config);
      await bench.open();
      try {
        await test(bench);
      } finally {
        await bench.close();
      }
    });
}
