/** Goal: pages are served as their handler makes them, and a failing handler harms nobody. */
import { afterEach, expect, test } from '@jest/globals';
import { AddressInUse, describeHost, type HttpServer, serveHttp } from '../../src/index.ts';

const servers: HttpServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function start(handle: Parameters<typeof serveHttp>[1]): Promise<HttpServer> {
  const server = await serveHttp({ host: '127.0.0.1', port: 0, idleTimeoutMs: 1_000 }, handle);
  servers.push(server);
  return server;
}

test('a request comes in parts, an answer goes out whole', async () => {
  const { port } = await start(async ({ method, path, query, headers }) => ({
    status: 201,
    headers: { 'x-own': 'yes' },
    body: JSON.stringify({ method, path, mask: query.get('mask'), auth: headers.authorization }),
  }));
  const answer = await fetch(`http://127.0.0.1:${port}/a%20b/c?mask=7`, {
    method: 'POST',
    headers: { authorization: 'digest a:b' },
    body: 'ignored',
  });
  expect([answer.status, answer.headers.get('x-own')]).toEqual([201, 'yes']);
  expect(await answer.json()).toEqual({
    method: 'POST',
    path: '/a b/c',
    mask: '7',
    auth: 'digest a:b',
  });
});

test('a handler that fails is status 500, and the next request is answered', async () => {
  let calls = 0;
  const { port } = await start(async () => {
    calls += 1;
    if (calls === 1) throw new Error('secret');
    return { status: 200, body: 'fine' };
  });
  const failed = await fetch(`http://127.0.0.1:${port}/`);
  expect([failed.status, await failed.text()]).toEqual([500, '']);
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('fine');
});

test('an address that does not decode is refused', async () => {
  const { port } = await start(async () => ({ status: 200, body: 'fine' }));
  expect((await fetch(`http://127.0.0.1:${port}/%E0%A4%A`)).status).toBe(400);
});

test('a port that is taken is said to be', async () => {
  const { port } = await start(async () => ({ status: 200, body: '' }));
  const again = serveHttp({ host: '127.0.0.1', port, idleTimeoutMs: 1_000 }, async () => ({
    status: 200,
    body: '',
  }));
  await expect(again).rejects.toThrow(AddressInUse);
});

test('the host is described', () => {
  const facts = describeHost();
  expect(facts.nodeVersion).toBe(process.version);
  expect(facts.totalMemoryBytes).toBeGreaterThan(facts.freeMemoryBytes);
  expect(facts.residentMemoryBytes).toBeGreaterThan(1e6);
});
