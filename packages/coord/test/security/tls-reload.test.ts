/** Goal: changed files are taken up once, and nothing that happens to them ends the looking. */
import { expect, test } from '@jest/globals';
import {
  ConfigError,
  type Disk,
  DiskError,
  type FileStatus,
  type ServerTls,
} from '@odradek/runtime';
import { startTlsReload } from '../../src/security/tls-reload-host.ts';
import { ManualTime } from '../support/manual-time.ts';
import { LogLines } from '../support/server.ts';

const LOOK_MS = 10_000;

interface Watched {
  status: FileStatus | DiskError | null;
  outcome: ServerTls | ConfigError | null;
  readonly renewed: unknown[];
  readonly log: LogLines;
  readonly time: ManualTime;
  /** Lets one look happen. */
  look(): Promise<void>;
  stop(): void;
}

const file = (modifiedAtMs: number): FileStatus => ({ kind: 'file', sizeBytes: 9, modifiedAtMs });
/** What is in it does not matter here. */
const some = {} as ServerTls;

async function watched(status: Watched['status']): Promise<Watched> {
  const time = new ManualTime();
  const log = new LogLines();
  const renewed: unknown[] = [];
  const state: Watched = {
    status,
    outcome: some,
    renewed,
    log,
    time,
    look: async () => {
      time.advance(LOOK_MS, LOOK_MS);
      for (let turn = 0; turn < 3; turn += 1) await new Promise((done) => setImmediate(done));
    },
    stop: () => undefined,
  };
  const disk = {
    status: async () => {
      if (state.status instanceof DiskError) throw state.status;
      return state.status;
    },
  } as unknown as Disk;
  state.stop = await startTlsReload({
    environment: { disk, clock: time, timers: time, log },
    files: ['key.pem'],
    load: async () => {
      if (state.outcome instanceof ConfigError) throw state.outcome;
      return state.outcome;
    },
    renew: (tls) => renewed.push(tls),
  });
  return state;
}

test('a change is taken up once', async () => {
  const state = await watched(file(1));
  await state.look();
  expect(state.renewed).toEqual([]);
  state.status = file(2);
  await state.look();
  await state.look();
  expect(state.renewed).toEqual([some]);
});

test('a file that cannot be seen, or is no good, leaves everything as it is until it changes', async () => {
  const state = await watched(new DiskError('EACCES', 'key.pem', 'stat'));
  await state.look();
  expect(state.log.lines).toEqual([]);
  state.outcome = new ConfigError('zoo.cfg:3: half of it');
  state.status = file(1);
  await state.look();
  await state.look();
  expect(state.log.lines).toEqual([expect.stringMatching(/^error .*no good.*zoo\.cfg:3: half/)]);
  state.outcome = some;
  state.status = file(2);
  await state.look();
  expect(state.renewed).toEqual([some]);
});

test('stopped is stopped', async () => {
  const state = await watched(file(1));
  state.stop();
  state.status = file(2);
  await state.look();
  expect(state.renewed).toEqual([]);
});
