/** Requests to the brokers of a test's cluster, as over a connection: encoded and decoded at the version that is asked for. */
import type { Api, BodyOf, InputOf, Message } from '@odradek/protocol';
import type { TestCluster } from '../controller/cluster.ts';
import { ask as askHandler } from './ask.ts';

/** @param clusterNow the cluster of the test that runs */
export function requestsTo(clusterNow: () => TestCluster) {
  /** Starts brokers 1 to `count`, until all know of each other and the first one is the controller. */
  async function start(count: number, text = ''): Promise<void> {
    const cluster = clusterNow();
    for (let id = 1; id <= count; id += 1) await cluster.start(id, text);
    await cluster.until(() => cluster.controllerId === 1);
    await cluster.until(() =>
      [...cluster.brokers.values()].every(
        ({ plane }) => [...plane.metadata.liveBrokers()].length === count,
      ),
    );
  }

  /** Asks a broker as over a connection; time passes only when `passMs` says so. */
  async function ask<Req extends Message<unknown>, Res extends Message<unknown>>(
    id: number,
    api: Api<Req, Res>,
    version: number,
    body: InputOf<Req>,
    { listenerName = 'PLAINTEXT', passMs = 0 } = {},
  ): Promise<BodyOf<Res>> {
    const cluster = clusterNow();
    const registered = cluster.broker(id).registry.find(api.key);
    if (registered === undefined) throw new Error(`${api.name} is not served`);
    let answered = false;
    const pending = askHandler(registered, api, version, body, { listenerName }).finally(() => {
      answered = true;
    });
    if (passMs > 0) {
      await cluster.settle();
      cluster.time.pass(passMs);
    }
    await cluster.until(() => answered, `an answer to ${api.name}`);
    return pending;
  }

  return { start, ask };
}

/** A topic of a CreateTopics request. */
export const wanted = (name: string, change: object = {}) => ({
  name,
  numPartitions: 2,
  replicationFactor: 1,
  assignments: [],
  configs: [],
  ...change,
});

/** A CreateTopics request. */
export const create = (topics: ReturnType<typeof wanted>[], change: object = {}) => ({
  topics,
  timeoutMs: 5_000,
  validateOnly: false,
  ...change,
});
