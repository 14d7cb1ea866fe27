/** Goal: the majority moves between sites of a real ensemble by one command, and a refusal changes nothing. */
import { afterEach, expect, test } from '@jest/globals';
import { nodeEnvironment, silentLog } from '@odradek/runtime';
import { TestEnsemble } from '../../coord/test/support/ensemble.ts';
import { Servers } from '../../coord/test/support/server.ts';
import { quorum } from '../src/commands/quorum.ts';
import type { CommandContext } from '../src/context.ts';

const servers = new Servers();
let ensemble: TestEnsemble;
afterEach(async () => {
  await ensemble.stop();
  await servers.stopAll();
});

async function run(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const context = {
    environment: nodeEnvironment({ log: silentLog }),
    isTerminal: false,
    stdout: async (text: string) => {
      out += text;
    },
    stderr: async (text: string) => {
      err += text;
    },
  } as unknown as CommandContext;
  const code = await quorum.run(words, context);
  return { code, out, err };
}

const sites = ['--site', 'a=1,2', '--site', 'b=3,4'];
const weights = { 1: 2 };

test('from one site to the other and back, online; who may not is refused', async () => {
  ensemble = await TestEnsemble.start(servers, [1, 2, 3, 4], {
    weights,
    settings: {
      reconfigEnabled: 'true',
      // super:test
      'DigestAuthenticationProvider.superDigest': 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=',
    },
  });
  const server = `127.0.0.1:${ensemble.port(3)}`;
  const move = (to: string, ...more: string[]) =>
    run('move', '--server', server, ...sites, '--to', to, '--confirm', to, ...more);

  const status = await run('status', '--server', server);
  expect(status.code).toBe(0);
  expect(status.out).toContain('5 of 5 votes are present, 3 of 5 votes decide');
  await expect(move('b')).rejects.toThrow(/the right to write \/zookeeper\/config is needed/);
  await expect(move('b', '--auth', 'nonsense')).rejects.toThrow('scheme:credentials is expected');

  const moved = await move('b', '--auth', 'digest:super:test');
  expect(moved.err).toBe('');
  expect(moved.code).toBe(0);
  expect(moved.out).toMatch(
    /^Now: +a holds 3 of 5 votes and decides, b holds 2 of 5 votes\.\nAfterwards: a holds 2 of 5 votes, b holds 3 of 5 votes and decides\.\n {2}weight\.1: 2 -> 1\n {2}weight\.3: 1 -> 2\n/,
  );
  expect(moved.out).toMatch(
    /\nThe change is certain, version \w+\.\nEverybody goes by it: .* server \d leads\.\n$/,
  );

  // The site that decides now does without the other one, and the commands see it.
  await Promise.all([1, 2].map((id) => ensemble.stopServer(id)));
  await ensemble.until(() => [3, 4].every((id) => ensemble.running(id).role() !== null));
  const alone = await run('status', '--server', server);
  expect(alone).toMatchObject({
    code: 0,
    out: expect.stringContaining('3 of 5 votes are present'),
  });
  const early = await move('a', '--auth', 'digest:super:test');
  expect(early).toMatchObject({
    code: 1,
    err: expect.stringContaining('server 1, 2 of that site'),
  });

  await Promise.all([1, 2].map((id) => ensemble.startServer(id)));
  await ensemble.allServing();
  const back = await move('a', '--auth', 'digest:super:test');
  expect(back.code).toBe(0);
  expect(back.out).toContain('a holds 3 of 5 votes and decides');
}, 60_000);

test('explain: the lighter site says how many votes are there; without reconfigEnabled nothing moves', async () => {
  ensemble = await TestEnsemble.start(servers, [1, 2, 3, 4], { weights });
  const server = `127.0.0.1:${ensemble.port(3)}`;
  await expect(
    run('move', '--server', server, ...sites, '--to', 'b', '--confirm', 'b'),
  ).rejects.toThrow(/set reconfigEnabled=true/);
  await Promise.all([1, 2].map((id) => ensemble.stopServer(id)));
  await ensemble.until(() => [3, 4].every((id) => ensemble.running(id).role() === null));
  const { code, out } = await run('explain', '--server', server);
  expect(code).toBe(1);
  expect(out).toMatch(
    /^Nobody leads: of those who answer here 2 of 5 votes are there, and 3 of 5 votes decide\.\n/,
  );
  expect(out).toMatch(
    /server 3: +2 of 5 votes are here \(servers 3, 4\) and 3 of 5 votes are needed; missing: server 1 \(cannot be reached\)/,
  );
  const moved = await run('move', '--server', server, ...sites, '--to', 'b', '--confirm', 'b');
  expect(moved.err).toContain('nobody leads, and only a leader can change members');
}, 60_000);
