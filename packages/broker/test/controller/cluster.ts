/**
 * Several brokers' control planes in one test: one coordination service and one network in memory,
 * time that passes when the test says so. Each broker's data plane is a recorder that obeys.
 */
import { apis, type LeaderAndIsrRequest, type StopReplicaRequest } from '@odradek/protocol';
import { type Environment, inlineWorkers, type Log, parseProperties } from '@odradek/runtime';
import { ApiRegistry, handler } from '../../src/api/registry.ts';
import { readBrokerConfig } from '../../src/config/broker-config.ts';
import { ControlPlane } from '../../src/controller/control-plane.ts';
import { ManualTime } from '../manual-time.ts';
import { MemoryCoordinationService, type MemorySession } from '../memory-coordination.ts';
import { MemoryNetwork, serve } from './memory-network.ts';

/** Turns of the event loop a condition may take; each turn empties all microtasks. */
const TURNS_MAX = 2_000;

export class TestBroker {
  readonly plane: ControlPlane;
  readonly session: MemorySession;
  readonly registry: ApiRegistry;
  /** `topic-partition` to leader, as told by LeaderAndIsr. */
  readonly roles = new Map<string, { leader: number; leaderEpoch: number; isNew: boolean }>();
  readonly removed: string[] = [];
  /** Errors to answer LeaderAndIsr with, by partition. */
  readonly failing = new Map<string, number>();

  constructor(plane: ControlPlane, session: MemorySession) {
    this.plane = plane;
    this.session = session;
    this.registry = new ApiRegistry().register(
      ...plane.handlers,
      handler(apis.leaderAndIsr, [0, 7], (request) => this.#obey(request)),
      handler(apis.stopReplica, [0, 4], (request) => this.#stop(request)),
    );
  }

  #obey(request: LeaderAndIsrRequest) {
    const refusal = this.plane.fence.admit(request);
    if (refusal !== null) return { errorCode: 11 };
    const topics = request.topicStates.map(({ topicName, topicId, partitionStates }) => ({
      topicId,
      partitionErrors: partitionStates.map(({ partitionIndex, leader, leaderEpoch, isNew }) => {
        const key = `${topicName}-${partitionIndex}`;
        this.roles.set(key, { leader, leaderEpoch, isNew });
        return { partitionIndex, errorCode: this.failing.get(key) ?? 0 };
      }),
    }));
    return { errorCode: 0, topics };
  }

  #stop(request: StopReplicaRequest) {
    const refusal = this.plane.fence.admit(request);
    if (refusal !== null) return { errorCode: 11, partitionErrors: [] };
    const partitionErrors = request.topicStates.flatMap(({ topicName, partitionStates }) =>
      partitionStates.map(({ partitionIndex, deletePartition }) => {
        const key = `${topicName}-${partitionIndex}`;
        this.roles.delete(key);
        if (deletePartition) this.removed.push(key);
        return { topicName, partitionIndex, errorCode: 0 };
      }),
    );
    return { errorCode: 0, partitionErrors };
  }
}

export class TestCluster {
  readonly service = new MemoryCoordinationService();
  readonly network = new MemoryNetwork();
  readonly time = new ManualTime();
  readonly brokers = new Map<number, TestBroker>();
  /** Every line of every broker's log. */
  readonly lines: string[] = [];
  #chance = 0;

  environment(): Environment {
    const { clock, timers } = this.time;
    const log = this.#log('');
    const refuse = (): never => {
      throw new Error('no disk in this test');
    };
    const disk = new Proxy({}, { get: () => refuse }) as Environment['disk'];
    const random = {
      bytes: (sizeBytes: number) => {
        this.#chance += 1;
        return Buffer.alloc(sizeBytes, this.#chance);
      },
      below: () => 0,
    };
    const workers = inlineWorkers({ disk, clock, timers });
    return { clock, timers, random, network: this.network, disk, workers, log };
  }

  #log(name: string): Log {
    const write = (level: string) => (message: string, fields?: object) =>
      this.lines.push(
        `${level} ${name} ${message} ${fields === undefined ? '' : JSON.stringify(fields)}`,
      );
    return {
      error: write('error'),
      warn: write('warn'),
      info: write('info'),
      debug: write('debug'),
      child: (component) => this.#log(component),
    };
  }

  config(id: number, text = '') {
    const entries = parseProperties(
      `zookeeper.connect=memory\nbroker.id=${id}\nlisteners=PLAINTEXT://b${id}:9092\n${text}`,
      'test',
    );
    return readBrokerConfig(entries, { source: 'test', homeDirectory: '/' });
  }

  /** Starts a broker up to its candidacy. */
  async start(id: number, text = ''): Promise<TestBroker> {
    const session = this.service.openSession();
    const plane = await ControlPlane.open({
      session,
      config: this.config(id, text),
      environment: this.environment(),
      storedBrokerId: null,
    });
    const broker = new TestBroker(plane, session);
    plane.attach(broker.registry);
    await this.network.listen({ host: `b${id}`, port: 9092 }, serve(broker.registry));
    await plane.register([{ name: 'PLAINTEXT', port: 9092 }]);
    plane.startElection();
    this.brokers.set(id, broker);
    return broker;
  }

  broker(id: number): TestBroker {
    const broker = this.brokers.get(id);
    if (broker === undefined) throw new Error(`no broker ${id}`);
    return broker;
  }

  /** kill -9: the process is gone, its session is found dead. */
  kill(id: number): void {
    this.network.cut(`b${id}`, 9092);
    this.broker(id).session.expire({ reconnects: false });
    this.brokers.delete(id);
  }

  /** The one broker that is in office; null when it is none or not the same for all. */
  get controllerId(): number | null {
    const inOffice = [...this.brokers].filter(([, { plane }]) => plane.isController);
    return inOffice.length === 1 ? (inOffice[0]?.[0] ?? null) : null;
  }

  state(
    topic: string,
    partition = 0,
  ): { leader: number; isr: number[]; leader_epoch: number } | null {
    const text = this.service.text(`/brokers/topics/${topic}/partitions/${partition}/state`);
    return text === null ? null : JSON.parse(text);
  }

  /** Waits, in turns of the event loop, until the condition holds. */
  async until(condition: () => boolean, what = String(condition)): Promise<void> {
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      if (condition()) return;
      this.time.endTurn();
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`never: ${what}\n${this.lines.join('\n')}`);
  }

  /** Lets everything that needs no time come to its end. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 100; turn += 1) {
      this.time.endTurn();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async stop(): Promise<void> {
    for (const { plane, session } of this.brokers.values()) {
      const stopping = plane.stop();
      await this.settle();
      await stopping;
      await session.close();
    }
    await this.settle();
  }
}
