/**
 * A broker with much to load: nobody can connect to it and nobody in the cluster knows it until its logs are there; how far
 * it is can be read meanwhile; and it can be told to stop. Method: a disk that holds back the look at one partition's folder.
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type RunningCoordinator, readZooCfg, startCoordinator } from '@odradek/coord';
import { type Environment, Metrics, nodeEnvironment, type PropertyEntry } from '@odradek/runtime';
import { type RunningBroker, readBrokerConfig, startBroker } from '../../src/index.ts';

const PARTITIONS = 20;
let folder = '';
let coordinator: RunningCoordinator;

const source = 'test.properties';
const entries = (properties: Readonly<Record<string, string>>): PropertyEntry[] =>
  Object.entries(properties).map(([key, value]) => ({ key, value, line: null, source }));

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'odradek-loading-'));
  const properties = {
    dataDir: path.join(folder, 'coordinator'),
    clientPort: '0',
    clientPortAddress: '127.0.0.1',
  };
  const { values } = readZooCfg(entries(properties), { source, homeDirectory: folder });
  coordinator = await startCoordinator(nodeEnvironment(), values);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await mkdir(path.join(folder, 'logs', `t-${partition}`), { recursive: true });
    await writeFile(path.join(folder, 'logs', `t-${partition}`, `${'0'.repeat(20)}.log`), '');
  }
});
afterEach(async () => {
  await coordinator.stop();
  await rm(folder, { recursive: true, force: true });
});

/** An environment in which t-7 is not looked at before `go`, and which knows whether anybody listens. */
function held() {
  const real = nodeEnvironment();
  const state = { isLooking: false, isListening: false, go: (): void => {} };
  const gate = new Promise<void>((resolve) => {
    state.go = resolve;
  });
  const environment: Environment = {
    ...real,
    disk: {
      ...real.disk,
      survey: async (at) => {
        if (at.endsWith('t-7')) {
          state.isLooking = true;
          await gate;
        }
        return real.disk.survey(at);
      },
    },
    network: {
      connect: (...args) => real.network.connect(...args),
      listen: (...args) => {
        state.isListening = true;
        return real.network.listen(...args);
      },
    },
  };
  return { environment, state };
}

function start(
  environment: Environment,
  metrics: Metrics,
  interrupted: AbortSignal,
): Promise<RunningBroker> {
  const properties = {
    'broker.id': '0',
    listeners: 'PLAINTEXT://127.0.0.1:0',
    'log.dirs': path.join(folder, 'logs'),
    'zookeeper.connect': `127.0.0.1:${coordinator.port}`,
    'offsets.topic.replication.factor': '1',
  };
  const config = readBrokerConfig(entries(properties), { source, homeDirectory: folder });
  return startBroker(environment, config, { metrics, interrupted });
}

const logsLeft = async (metrics: Metrics): Promise<number> =>
  Number(/broker_logs_left_to_load\{directory=".*"\} (\d+)/.exec(await metrics.render())?.[1]);

test('listens and registers when all logs are there, and tells how many are not', async () => {
  const { environment, state } = held();
  const metrics = new Metrics();
  const starting = start(environment, metrics, new AbortController().signal);
  while (!state.isLooking || (await logsLeft(metrics)) !== 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(state.isListening).toBe(false);
  state.go();
  const broker = await starting;
  expect(state.isListening).toBe(true);
  expect(await logsLeft(metrics)).toBe(0);
  await broker.stop();
  expect(await readdir(path.join(folder, 'logs'))).toContain('.kafka_cleanshutdown');
});

test('can be called off while it loads, and leaves the directory as one that was not closed', async () => {
  const { environment, state } = held();
  const interruption = new AbortController();
  const starting = start(environment, new Metrics(), interruption.signal);
  const failed = expect(starting).rejects.toThrow('stopped while loading logs');
  while (!state.isLooking) await new Promise((resolve) => setImmediate(resolve));
  interruption.abort();
  state.go();
  await failed;
  expect(state.isListening).toBe(false);
  expect(await readdir(path.join(folder, 'logs'))).not.toContain('.kafka_cleanshutdown');
});
