/**
 * Ensembles of three and of six real processes under work, killed, stopped, slowed and cut off from each other: no
 * acknowledged write is lost, registers are linearizable, ephemerals stay while their sessions live and go after them.
 *
 * `npm run chaos` goes on for ODRADEK_CHAOS_MINUTES with faults drawn at random; here each comes once.
 * ODRADEK_CHAOS_MAKE=apache tries the tests themselves on Apache ZooKeeper.
 */
import { afterEach, expect, test } from '@jest/globals';
import { Ensemble, type Make } from '../support/ensemble.ts';
import { linkFaults, processFaults } from '../support/nemesis.ts';
import { Network, networksRefused } from '../support/network.ts';
import { buildPreload } from '../support/preload.ts';
import { Workspace } from '../support/workspace.ts';
import { campaign, LONG_RUN_MINUTES } from './campaign.ts';

const make = (process.env.ODRADEK_CHAOS_MAKE ?? 'odradek') as Make;
const LIMIT_MS = 240_000 + 60_000 * LONG_RUN_MINUTES;
const SESSION_TIMEOUT_MS = 2_000;
/** Servers wait 5 ticks for each other. */
const TICK_MS = 400;
const LASTS_MS = 3_000;
const settings = { tickTime: String(TICK_MS) };

let workspace: Workspace;
let network: Network | null = null;

afterEach(async () => {
  await workspace.dispose();
  network?.dispose();
  network = null;
});

test(
  'three servers that are killed, stand still and have slow disks',
  async () => {
    workspace = new Workspace();
    const disk = buildPreload(workspace, 'slow-disk');
    if ('refused' in disk) console.warn(`without slow disks: ${disk.refused}`);
    const ensemble = await Ensemble.start(workspace, {
      make,
      settings,
      ...('library' in disk && { slowDiskLibrary: disk.library }),
    });
    const faults = processFaults(ensemble);
    const history = await campaign({
      workspace,
      ensemble,
      faults,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      lastsMs: LASTS_MS,
    });
    expect(history.acknowledged).toBeGreaterThan(100);
    await ensemble.stop();
  },
  LIMIT_MS,
);

test.each([
  ['three servers and an observer', [[1, 2, 3, 4]], [4]],
  ['six servers', [[1, 2, 3, 4, 5, 6]], []],
])(
  '%s whose links are cut',
  async (_who, sites, observers) => {
    const refused = networksRefused();
    if (refused !== null) {
      console.warn(`skipped: ${refused}`);
      return;
    }
    workspace = new Workspace();
    network = new Network(sites);
    const ensemble = await Ensemble.start(workspace, { make, settings, network, observers });
    const links = linkFaults(ensemble, network);
    const history = await campaign({
      workspace,
      ensemble,
      faults: LONG_RUN_MINUTES > 0 ? [...links, ...processFaults(ensemble)] : links,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      lastsMs: LASTS_MS,
    });
    expect(history.acknowledged).toBeGreaterThan(100);
    await ensemble.stop();
  },
  LIMIT_MS,
);
