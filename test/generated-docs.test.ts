/**
 * The pages that follow from tables in the code are up to date (`npm run docs` mends them), and what they say about requests
 * is what a running broker says of itself.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { readBrokerConfig, startBroker } from '@odradek/broker';
import { BrokerConnection } from '@odradek/client';
import { readZooCfg, startCoordinator } from '@odradek/coord';
import { apis, opCodes } from '@odradek/protocol';
import { nodeEnvironment, type PropertyEntry } from '@odradek/runtime';
import { brokerHandlers } from '../tools/broker-apis.ts';
import { generatedPages } from '../tools/docs.ts';

const root = resolve(import.meta.dirname, '..');
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');

test('every generated page is as the code would make it now', async () => {
  for (const { path, text } of await generatedPages()) {
    // One line tells more than two pages.
    if ((await read(path)) !== text) throw new Error(`${path} is out of date: npm run docs`);
  }
});

test('the operations of the coordination service are all listed, under their numbers', async () => {
  const page = await read('docs/compatibility.md');
  const listed = [...page.matchAll(/^\| (-?\d+) \| (\w+) \| [^|]+ \|$/gm)].map(
    ([, code, name]) => [name, Number(code)] as const,
  );
  expect(Object.fromEntries(listed)).toEqual(opCodes);
});

test('a running broker advertises exactly the handlers that there are', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'odradek-docs-'));
  const environment = nodeEnvironment();
  const entries = (properties: Readonly<Record<string, string>>): PropertyEntry[] =>
    Object.entries(properties).map(([key, value]) => ({ key, value, line: null, source: 'test' }));
  const options = { source: 'test', homeDirectory: folder };
  const { values } = readZooCfg(
    entries({
      dataDir: join(folder, 'coordinator'),
      clientPort: '0',
      clientPortAddress: '127.0.0.1',
    }),
    options,
  );
  const coordinator = await startCoordinator(environment, values);
  try {
    const broker = await startBroker(
      environment,
      readBrokerConfig(
        entries({
          'broker.id': '1',
          listeners: 'PLAINTEXT://127.0.0.1:0',
          'log.dirs': join(folder, 'broker'),
          'zookeeper.connect': `127.0.0.1:${coordinator.port}`,
        }),
        options,
      ),
    );
    try {
      const connection = await BrokerConnection.connect({
        host: '127.0.0.1',
        port: broker.ports.get('PLAINTEXT') ?? 0,
        clientId: 'docs',
        environment,
        requestTimeoutMs: 10_000,
        connectTimeoutMs: 10_000,
        maxFrameBytes: 1 << 20,
      });
      const { apiKeys } = await connection.send(apis.apiVersions, 0, {});
      connection.close();
      const handlers = await brokerHandlers();
      expect(apiKeys).toEqual(
        handlers.map(({ api, versions: [minVersion, maxVersion] }) => ({
          apiKey: api.key,
          minVersion,
          maxVersion,
        })),
      );
    } finally {
      await broker.stop();
    }
  } finally {
    await coordinator.stop();
    await rm(folder, { recursive: true, force: true });
  }
}, 30_000);
