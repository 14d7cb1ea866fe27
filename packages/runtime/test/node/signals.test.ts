/** Signals to a real process: the first asks, the second ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const source = fileURLToPath(new URL('../../src/node/signals.ts', import.meta.url));
const DAEMON = `
  import { stopRequested } from ${JSON.stringify(source)};
  const log = { info: (m) => console.log(m), warn: (m) => console.log(m) };
  setInterval(() => undefined, 1000);
  stopRequested(log).then((signal) => {
    console.log('stopping for ' + signal);
    if (process.argv[1] === 'stops') process.exit(0);
  });
  console.log('ready');
`;

async function daemon(manner: 'stops' | 'hangs', signals: readonly NodeJS.Signals[]) {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', DAEMON, manner],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  const lines: string[] = [];
  const waiting = [...signals];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line === 'ready' || line.startsWith('stopping')) {
      const signal = waiting.shift();
      if (signal !== undefined) child.kill(signal);
    }
  }
  const [code] = await ended;
  return { code, lines };
}

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s asks for an orderly stop',
  async (signal) => {
    const { code, lines } = await daemon('stops', [signal]);
    expect(lines).toEqual(['ready', 'asked to stop', `stopping for ${signal}`]);
    expect(code).toBe(0);
  },
  30_000,
);

test('a second signal ends a stop that hangs, with the code shells expect', async () => {
  const { code, lines } = await daemon('hangs', ['SIGTERM', 'SIGINT']);
  expect(lines.at(-1)).toBe('asked twice to stop: ending at once');
  expect(code).toBe(130);
}, 30_000);
