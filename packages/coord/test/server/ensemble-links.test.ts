/**
 * Goal: who does not belong to an ensemble is not let in, and both sides say why; and an ensemble moves
 * from plain links to TLS, one server after the other, while it serves.
 * Method: whole servers in this process, on real sockets and disks, by their configuration files.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { opCodes } from '@odradek/protocol';
import { nodeEnvironment, silentLog } from '@odradek/runtime';
import { Authority, oid } from '../../../runtime/test/support/certificates.ts';
import { formatMark, markPath, readMark } from '../../src/storage/mark.ts';
import { TestEnsemble } from '../support/ensemble.ts';
import { RawClient } from '../support/raw-client.ts';
import { create } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
let ensemble: TestEnsemble;
afterEach(async () => {
  await ensemble.stop();
  await servers.stopAll();
});

const { disk } = nodeEnvironment({ log: silentLog });

const members = (): string[] => ensemble.ids.map((id) => ensemble.serverLine(id));

const says = (id: number, expected: RegExp): boolean =>
  ensemble.logs.get(id)?.lines.some((line) => expected.test(line)) ?? false;

async function writeSomething(path: string): Promise<void> {
  const client = await RawClient.open(ensemble.port(ensemble.runningIds[0] ?? 0));
  expect((await client.request(1, opCodes.create, create(path, 'x'))).err).toBe(0);
  client.destroy();
}

test('from plain links to TLS, one server after the other, and then nobody gets in without', async () => {
  ensemble = await TestEnsemble.start(servers, [1, 2, 3]);
  const authority = new Authority();
  const { key, certificate } = authority.issue({
    subject: [[oid.commonName, 'server']],
    hosts: ['127.0.0.1'],
  });
  const directory = await servers.directory();
  const keyStore = join(directory, 'server.pem');
  const trustStore = join(directory, 'authority.pem');
  await writeFile(keyStore, `${key}${certificate}`);
  await writeFile(trustStore, authority.certificate);
  const withTls = [
    'sslQuorum=true',
    `ssl.quorum.keyStore.location=${keyStore}`,
    `ssl.quorum.trustStore.location=${trustStore}`,
  ];
  let count = 0;
  for (const lines of [[...withTls, 'portUnification=true'], withTls]) {
    for (const id of ensemble.ids) {
      await ensemble.stopServer(id);
      await ensemble.startServer(id, [...members(), ...lines]);
      await ensemble.allServing();
      count += 1;
      await writeSomething(`/n${count}`);
    }
  }
  await ensemble.stopServer(3);
  await ensemble.startServer(3, members());
  await ensemble.until(() => says(3, /no link to a server .*TLS/));
  expect(ensemble.running(3).role()).toBeNull();
  await writeSomething('/after');
});

test('the data directory of another ensemble: both sides say so, and it stays as it is', async () => {
  ensemble = await TestEnsemble.start(servers, [1, 2, 3]);
  await writeSomething('/a');
  await ensemble.stopServer(3);
  const folder = join(ensemble.dataDirectory(3), 'odradek');
  const mark = await readMark(disk, folder);
  if (mark === null) throw new Error('a member has a mark');
  const foreign = formatMark({ ...mark, clusterId: 'from-elsewhere' });
  await writeFile(markPath(folder), foreign);
  await ensemble.startServer(3);
  const expected = /server 3 belongs to another ensemble \(from-elsewhere, not [\w-]{22}\)/;
  await ensemble.until(
    () => says(3, /another ensemble/) && (says(1, expected) || says(2, expected)),
  );
  await writeSomething('/b');
  expect(ensemble.running(3).role()).toBeNull();
  await ensemble.stopServer(3);
  expect((await disk.readFile(markPath(folder)))?.toString()).toBe(foreign);
});

test('lines that lead to the wrong servers are named, and the others serve', async () => {
  ensemble = await TestEnsemble.start(servers, [1, 2, 3]);
  await ensemble.stopServer(3);
  const [one = '', two = '', three = ''] = members();
  const crossed = [one.replace('server.1', 'server.2'), two.replace('server.2', 'server.1'), three];
  await ensemble.startServer(3, crossed);
  await ensemble.until(() => says(3, /server 3 called server 1 and reached server 2/));
  await ensemble.until(() => says(2, /server 3 called server 1 and reached server 2/));
  await ensemble.stopServer(3);
  await ensemble.allServing();
  await writeSomething('/a');
});

test('a member does not start alone', async () => {
  ensemble = await TestEnsemble.start(servers, [1, 2, 3]);
  await ensemble.stopServer(3);
  await expect(ensemble.startServer(3, [])).rejects.toThrow(
    /the data of a member of ensemble [\w-]{22}, but the configuration has no other servers/,
  );
  await ensemble.startServer(3);
  await ensemble.allServing();
});
