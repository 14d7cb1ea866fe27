/**
 * Makes the data directories in ../fixtures/original with real servers, one by one:
 *
 *   npx tsx --conditions=@odradek/source packages/coord/test/offline/make-fixtures.ts NAME CODEC CLASSPATH
 *
 * NAME begins with the version (3.4.14, 3.8.0-debian, ...), CODEC is checked, gz or snappy, CLASSPATH
 * has the server and what it needs: of Debian's package, /usr/share/java/zookeeper.jar:/usr/share/java/*;
 * of other versions, Maven's org.apache.zookeeper:zookeeper and zookeeper-jute with slf4j, netty,
 * metrics-core, commons-cli, jackson, snappy-java (before 3.5 log4j).
 *
 * A fixture has the server's own version-2 as it was when the server was killed, the tree as clients
 * saw it right before (expected.txt), and the sessions that were open (sessions.txt).
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dumpServer } from './support/dump.ts';
import { fixtureFolder } from './support/fixtures.ts';
import { OriginalServer } from './support/original-server.ts';
import { Workload } from './support/workload.ts';

const [name = '', codec = 'checked', classPath = ''] = process.argv.slice(2);
const dataDirectory = await mkdtemp(join(tmpdir(), 'odradek-fixture-'));
const server = await OriginalServer.start({
  classPath,
  dataDirectory,
  settings: { snapCount: 40 },
  properties: { 'zookeeper.preAllocSize': 1, 'zookeeper.snapshot.compression.method': codec },
});
const { port } = server;
const modern = !name.startsWith('3.4');
const workload = new Workload({ port, seed: 7, operations: 80, modern, sessions: 2 });
await workload.run();
const expected = await dumpServer(port);
// A snapshot that is just being written is not what these are for.
await new Promise((resolve) => setTimeout(resolve, 1_000));
await server.stop('SIGKILL');
workload.close();

const target = join(fixtureFolder, name);
await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
await cp(join(dataDirectory, 'version-2'), join(target, 'version-2'), {
  recursive: true,
  filter: (path) => !/Epoch$/.test(path),
});
const lines = (of: Iterable<readonly unknown[]>): string =>
  [...of].map((fields) => `${fields.join(' ')}\n`).join('');
await writeFile(join(target, 'expected.txt'), lines(expected));
const sessions = workload.clients.map(
  ({ sessionId, timeoutMs, password }) =>
    [sessionId.toString(16), timeoutMs, password.toString('hex')] as const,
);
await writeFile(join(target, 'sessions.txt'), lines(sessions));
await rm(dataDirectory, { recursive: true });
console.log(`${target}: ${expected.size} nodes`);
