/** The shell over TLS, with a client certificate, by the settings files of both programs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Authority, oid } from '../../../runtime/test/support/certificates.ts';
import { zkCli, zookeeperShell } from '../../src/commands/zookeeper-shell.ts';
import { run, startServer, type TestServer } from './support.ts';

let directory: string;
let server: TestServer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'odradek-shell-tls-'));
  const authority = new Authority();
  const certify = (name: string) =>
    authority.issue({ subject: [[oid.commonName, name]], hosts: ['127.0.0.1'] });
  for (const name of ['server', 'client']) {
    const { certificate, key } = certify(name);
    await writeFile(join(directory, `${name}.pem`), certificate + key);
  }
  await writeFile(join(directory, 'trust.pem'), authority.certificate);
  server = await startServer(
    `secureClientPort=0\nssl.keyStore.location=${directory}/server.pem\nssl.trustStore.location=${directory}/trust.pem\n`,
  );
});

afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

async function settings(name: string, lines: readonly string[]): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, lines.join('\n').replaceAll('DIR', directory));
  return file;
}

test('zkCli, by -client-configuration', async () => {
  const file = await settings('client.properties', [
    'zookeeper.client.secure=true',
    'zookeeper.ssl.keyStore.location=DIR/client.pem',
    'zookeeper.ssl.trustStore.location=DIR/trust.pem',
  ]);
  const words = ['-server', server.secureAddress, '-client-configuration', file, 'whoami'];
  const { exitCode, out } = await run(zkCli, words);
  expect(exitCode).toBe(0);
  expect(out).toMatch(/Auth scheme: User\n(.*\n)*x509: CN=client\n/);
});

test('zookeeper-shell, by -zk-tls-config-file', async () => {
  const file = await settings('kafka.properties', [
    'zookeeper.ssl.client.enable=true',
    'zookeeper.ssl.keystore.location=DIR/client.pem',
    'zookeeper.ssl.truststore.location=DIR/trust.pem',
    'zookeeper.ssl.endpoint.identification.algorithm=',
  ]);
  const words = [server.secureAddress, '-zk-tls-config-file', file, 'ls', '/'];
  const { exitCode, out } = await run(zookeeperShell, words);
  expect(exitCode).toBe(0);
  expect(out.endsWith('[zookeeper]\n')).toBe(true);
});

test('a server that is not believed is not talked to', async () => {
  const file = await settings('careless.properties', [
    'zookeeper.client.secure=true',
    'zookeeper.ssl.keyStore.location=DIR/client.pem',
  ]);
  const words = ['-server', server.secureAddress, '-client-configuration', file, 'ls', '/'];
  expect(await run(zkCli, words)).toMatchObject({
    exitCode: 1,
    err: 'KeeperErrorCode = ConnectionLoss for /\n',
  });
});
