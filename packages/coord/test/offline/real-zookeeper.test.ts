/**
 * Debian's ZooKeeper, random operations of every kind, and then its data directory: what our server
 * serves after the import is what its clients saw, node by node; and back again by the export. With
 * its snapshots in every compression, stopped in order and killed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { nodeEnvironment } from '@odradek/runtime';
import { exportToZooKeeper, importZooKeeper } from '../../src/offline/index.ts';
import { hex } from '../../src/offline/state.ts';
import { RawClient } from '../support/raw-client.ts';
import { Servers } from '../support/server.ts';
import { dumpServer } from './support/dump.ts';
import { debianClassPath, OriginalServer, SUPER_DIGEST } from './support/original-server.ts';
import { Workload } from './support/workload.ts';

const OPERATIONS = 4_000;
const LIMIT_MS = 120_000;

const environment = nodeEnvironment();
const servers = new Servers();
const folders: string[] = [];
const workloads: Workload[] = [];
const originals: OriginalServer[] = [];

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'odradek-original-'));
  folders.push(path);
  return path;
}

async function startOriginal(dataDirectory: string, codec: string): Promise<OriginalServer> {
  const server = await OriginalServer.start({
    classPath: debianClassPath ?? '',
    dataDirectory,
    settings: { snapCount: 900 },
    properties: { 'zookeeper.preAllocSize': 64, 'zookeeper.snapshot.compression.method': codec },
  });
  originals.push(server);
  return server;
}

afterEach(async () => {
  for (const workload of workloads.splice(0)) workload.close();
  await servers.stopAll();
  for (const original of originals.splice(0)) await original.stop('SIGKILL');
  for (const path of folders.splice(0)) await rm(path, { recursive: true, force: true });
});

const cases = [
  { codec: 'checked', signal: 'SIGKILL' },
  { codec: 'gz', signal: 'SIGTERM' },
  { codec: 'snappy', signal: 'SIGKILL' },
] as const;

if (debianClassPath === null) {
  test.skip('skipped: /usr/share/java/zookeeper.jar is not there (Debian package zookeeper)', () => {});
} else {
  describe('a data directory of Debian’s ZooKeeper', () => {
    test.each(cases)(
      '$codec snapshots, $signal: imports and reads back equal, and goes back',
      async ({ codec, signal }) => {
        const seed = Math.floor(Math.random() * 2 ** 31);
        console.info(`${codec}, ${signal}: seed ${seed}`);
        const dataDirectory = await folder();
        const original = await startOriginal(dataDirectory, codec);
        const { port } = original;
        const workload = new Workload({ port, seed, operations: OPERATIONS, modern: true });
        workloads.push(workload);
        await workload.run();
        const before = await dumpServer(port);
        await original.stop(signal);
        expect(before.size).toBeGreaterThan(100);

        const warnings: string[] = [];
        const report = await importZooKeeper(
          environment,
          {
            from: { dataDirectory, logDirectory: null, acceptLoss: false, oldTtlMarks: false },
            to: { dataDirectory, logDirectory: null }, // Beside version-2: only zoo.cfg's port need change.
          },
          { step: () => {}, warn: (text) => void warnings.push(text) },
        );
        expect(warnings.filter((text) => !text.includes('trying the snapshot before it'))).toEqual(
          [],
        );
        expect(report.digestMatches).toBe(true);

        const ours = await servers.start({
          dataDir: dataDirectory,
          maxSessionTimeout: 600_000,
          extendedTypesEnabled: 'true',
          'DigestAuthenticationProvider.superDigest': SUPER_DIGEST,
        });
        expect(await dumpServer(ours.port)).toEqual(before);
        for (const { sessionId, password, timeoutMs } of workload.clients) {
          const again = await RawClient.connect(ours.port);
          await again.greet({ sessionId, password, timeoutMs });
          expect([hex(again.sessionId), again.timeoutMs]).toEqual([hex(sessionId), timeoutMs]);
          again.destroy();
        }
        await ours.running.stop();

        const target = await folder();
        const from = { dataDirectory, logDirectory: null };
        await exportToZooKeeper(
          environment,
          { from, to: target },
          { step: () => {}, warn: () => {} },
        );
        const back = await startOriginal(target, codec);
        expect(await dumpServer(back.port)).toEqual(before);
      },
      LIMIT_MS,
    );
  });
}
