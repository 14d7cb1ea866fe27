/**
 * Whole conversations, held against transcripts. Each transcript was compared with one of ZooKeeper
 * 3.9.3's own shell on its own server; the differences kept on purpose are in docs/zookeeper-shell.md.
 * What is typed is taken from the transcript's prompts, so a transcript is all there is to a case.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { millis, nodeEnvironment, type Timers } from '@odradek/runtime';
import { zkCli } from '../../src/commands/zookeeper-shell.ts';
import { run, startServer, type TestServer } from './support.ts';

const PATIENCE_MS = 60_000;

const { clock, timers } = nodeEnvironment();
/** The first prompt waits for the server for a second; here for as long as a busy machine may take. */
const patient: Timers = {
  afterTurn: (run) => timers.afterTurn(run),
  wakeAt: (deadline, wake) =>
    timers.wakeAt(millis(Math.max(deadline, clock.now() + PATIENCE_MS)), wake),
};

let server: TestServer;

beforeEach(async () => {
  server = await startServer();
});

afterEach(async () => {
  await server.stop();
});

test.each(['acl', 'create', 'quota', 'read', 'shell', 'watch', 'write'])('%s', async (name) => {
  const file = join(import.meta.dirname, 'transcripts', `${name}.txt`);
  const transcript = await readFile(file, 'utf8');
  const lines = [...transcript.matchAll(/^\[zk: SERVER\([A-Z]+\) \d+\] (.*)$/gm)].map(
    ([, typed = '']) => typed,
  );
  lines.pop(); // The last prompt met the end of the input.

  const { all, exitCode } = await run(zkCli, ['-server', server.address], {
    lines,
    environment: { timers: patient },
  });

  const shown = all
    .replaceAll(server.address, 'SERVER')
    .replaceAll(/^([cm])time = .*$/gm, '$1time = TIME');
  expect(`${shown}\n(exit code ${exitCode})\n`).toBe(transcript);
});
