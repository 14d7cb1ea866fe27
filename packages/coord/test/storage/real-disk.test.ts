/** The storage on a real disk: a process that is killed while it writes, and what it had promised. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { nodeEnvironment } from '@odradek/runtime';
import { openStorage } from '../../src/storage/storage.ts';

const storageSource = fileURLToPath(new URL('../../src/storage/storage.ts', import.meta.url));
const WRITER = `
  import { nodeEnvironment } from '@odradek/runtime';
  import { openStorage } from ${JSON.stringify(storageSource)};
  const directory = process.argv[1];
  const storage = await openStorage({
    environment: nodeEnvironment(),
    dataDirectory: directory,
    logDirectory: directory,
    settings: { logFileBytes: 200_000 },
    onFailure: (error) => { throw error; },
  });
  let zxid = storage.recoveredZxid;
  console.log('recovered ' + zxid);
  function append() {
    const mine = ++zxid;
    storage.log.append(Buffer.from('record ' + mine), mine, () => {
      process.stdout.write(mine + '\\n');
      append();
    });
  }
  for (let n = 0; n < 50; n++) append();
`;

test('killed at any moment, all that it said is durable is there; it starts again at once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'odradek-storage-'));
  let promised = 0n;
  for (let round = 0; round < 3; round++) {
    const child = spawn(
      process.execPath,
      [
        '--conditions=@odradek/source',
        '--import',
        'tsx',
        '--input-type=module',
        '-e',
        WRITER,
        directory,
      ],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
      },
    );
    const ended = once(child, 'exit');
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('recovered')) {
        expect(BigInt(line.slice('recovered '.length))).toBeGreaterThanOrEqual(promised);
        continue;
      }
      const durable = BigInt(line); // The last line may be cut short, and then tells less.
      if (durable > promised) promised = durable;
      if (promised % 3_000n > 1_500n) child.kill('SIGKILL');
    }
    await ended;
  }
  const storage = await openStorage({
    environment: nodeEnvironment(),
    dataDirectory: directory,
    logDirectory: directory,
    onFailure: () => undefined,
  });
  let expected = 0n;
  for await (const { zxid, payload } of storage.records) {
    expect(zxid).toBe(++expected);
    expect(Buffer.from(payload).toString()).toBe(`record ${zxid}`);
  }
  expect(expected).toBeGreaterThanOrEqual(promised);
  expect(promised).toBeGreaterThan(1_500n);
  await storage.close();
  await rm(directory, { recursive: true });
}, 60_000);
