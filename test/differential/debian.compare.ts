/**
 * The same comparison with the ZooKeeper that Debian packages (3.8.0), which needs nothing fetched: what 3.8 and
 * 3.9 answer alike, some sequences in every build.
 *
 *     ODRADEK_DEBIAN_SEQUENCES=… ODRADEK_SEED=… npm run interop -- debian
 */
import { afterAll, expect, test } from '@jest/globals';
import { Workspace } from '../support/workspace.ts';
import { compare, limitMs } from './comparison.ts';
import { olderProfiles } from './profiles.ts';
import { findDebians } from './reference-server.ts';

const count = Number(process.env.ODRADEK_DEBIAN_SEQUENCES ?? 4000);
const seed = Number(process.env.ODRADEK_SEED ?? Date.now() % 2 ** 31);
const path = process.env.ODRADEK_PATH;
const only = process.env.ODRADEK_PROFILE;

const workspace = new Workspace();
afterAll(() => workspace.dispose());

const chosen = olderProfiles.filter(({ name }) => only === undefined || name.includes(only));
test.each(chosen.map((profile) => ({ profile, share: Math.ceil(count * profile.share) })))(
  `$share sequences, $profile.name, seed ${seed}`,
  async ({ profile, share }) => {
    const found = findDebians();
    if (typeof found === 'string') {
      console.warn(`skipped: ${found}`);
      return;
    }
    const { sequenceCount, replyCount } = await compare(workspace, found, profile, {
      count: share,
      seed,
      path,
    });
    console.info(
      `${sequenceCount} sequences with ${replyCount} replies, ${profile.name}: no difference to ${found.name}, seed ${seed}`,
    );
    expect(sequenceCount).toBeGreaterThanOrEqual(path === undefined ? share : 1);
  },
  limitMs(count),
);
