/** The long runs, cut short: that the benchmark beside Apache Kafka and the soak run work, not what they find. */
import { spawnSync } from 'node:child_process';
import { afterAll, expect, test } from '@jest/globals';
import { projectRoot, Workspace } from '../support/workspace.ts';

const workspace = new Workspace();
afterAll(() => workspace.dispose());

const hasLibrdkafka =
  spawnSync('cc', ['-xc', '-fsyntax-only', '-'], { input: '#include <librdkafka/rdkafka.h>\n' })
    .status === 0;

function run(script: string, args: readonly string[]): ReturnType<Workspace['run']> {
  const tsx = `${projectRoot}/node_modules/tsx/dist/cli.mjs`;
  const program = [tsx, '--conditions=@odradek/source', `${projectRoot}/${script}`, ...args];
  return workspace.run(process.execPath, program, { limitMs: 280_000 });
}

if (!hasLibrdkafka) console.warn('skipped: there is no compiler, or no librdkafka to compile with');
const withLibrdkafka = hasLibrdkafka ? test : test.skip;

withLibrdkafka('each kind of load of the broker benchmark', async () => {
  const { code, stdout } = await run('bench/broker/broker.ts', ['--smoke']);
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('| load |') });
  expect(stdout).not.toContain(' failed');
});

test('a soak run of some seconds', async () => {
  const { code, stdout, stderr } = await run('test/soak/soak.ts', ['--seconds', '12']);
  expect({ code, stdout, stderr }).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('soak: passed'),
  });
});
