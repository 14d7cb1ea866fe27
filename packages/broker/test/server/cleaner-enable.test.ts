/** `log.cleaner.enable`: a broker whose log is all dirt compacts it as soon as it is there, or never. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { readZooCfg, startCoordinator } from '@odradek/coord';
import { type Environment, nodeEnvironment, type PropertyEntry } from '@odradek/runtime';
import { readBrokerConfig, startBroker } from '../../src/index.ts';
import { indexKeysTask } from '../../src/log/compaction/tasks.ts';
import { append, batchOf, openManager } from '../log/support.ts';

const source = 'test.properties';
const entries = (properties: Readonly<Record<string, string>>): PropertyEntry[] =>
  Object.entries(properties).map(([key, value]) => ({ key, value, line: null, source }));

async function dirty(directory: string): Promise<void> {
  const manager = await openManager(directory, { config: { segmentBytes: 1000 } });
  const log = await manager.getOrCreate('t', 0, null);
  for (let count = 0; count < 40; count += 1) await append(log, batchOf({ key: 'k' }));
  log.updateHighWatermark(log.logEndOffset);
  await manager.close();
  await rm(path.join(directory, 'meta.properties')); // Another cluster's.
}

test.each(['true', 'false'])('log.cleaner.enable=%s', async (isEnabled) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'odradek-cleaner-'));
  const coordination = {
    dataDir: path.join(folder, 'coordinator'),
    clientPort: '0',
    clientPortAddress: '127.0.0.1',
  };
  const { values } = readZooCfg(entries(coordination), { source, homeDirectory: folder });
  const coordinator = await startCoordinator(nodeEnvironment(), values);
  const directory = path.join(folder, 'logs');
  await dirty(directory);
  const properties = {
    'broker.id': '0',
    listeners: 'PLAINTEXT://127.0.0.1:0',
    'log.dirs': directory,
    'zookeeper.connect': `127.0.0.1:${coordinator.port}`,
    'log.cleanup.policy': 'compact',
    'log.cleaner.enable': isEnabled,
  };
  const config = readBrokerConfig(entries(properties), { source, homeDirectory: folder });
  const real = nodeEnvironment();
  let begin = (): void => {};
  const begun = new Promise<boolean>((resolve) => {
    begin = () => resolve(true);
  });
  const run: Environment['workers']['run'] = (task, job, options) => {
    if (task.exportName === indexKeysTask.exportName) begin();
    return real.workers.run(task, job, options);
  };
  // The cleaner begins with the logs, long before others are served.
  const broker = await startBroker({ ...real, workers: { run } }, config);
  const hasBegun = isEnabled === 'true' ? await begun : await Promise.race([begun, false]);
  await broker.stop();
  await coordinator.stop();
  await rm(folder, { recursive: true, force: true });
  expect(hasBegun).toBe(isEnabled === 'true');
});
