/**
 * Goal: no client can tell our server from ZooKeeper. Method: the same random sequences, as the same bytes, to
 * both; all replies, error codes, stats and notifications are compared field by field.
 *
 *     npm run differential                      ODRADEK_SEQUENCES=10000 unless set
 *     ODRADEK_PROFILE=… ODRADEK_SEED=… ODRADEK_PATH=… npm run differential     what a failure printed, again
 */
import { afterAll, expect, test } from '@jest/globals';
import { zookeeperErrorCodes } from '@odradek/protocol';
import { Workspace } from '../support/workspace.ts';
import { compare, limitMs } from './comparison.ts';
import { profiles } from './profiles.ts';
import { findReference } from './reference-server.ts';

const count = Number(process.env.ODRADEK_SEQUENCES ?? 200);
const seed = Number(process.env.ODRADEK_SEED ?? Date.now() % 2 ** 31);
const path = process.env.ODRADEK_PATH;
/** Sequences that bring about every error of a profile. */
const SHARE_THAT_SHOWS = 1000;
const only = process.env.ODRADEK_PROFILE;

const workspace = new Workspace();
afterAll(() => workspace.dispose());

const chosen = profiles.filter(({ name }) => only === undefined || name.includes(only));
test.each(chosen.map((profile) => ({ profile, share: Math.ceil(count * profile.share) })))(
  `$share sequences, $profile.name, seed ${seed}`,
  async ({ profile, share }) => {
    const found = findReference();
    if (typeof found === 'string') {
      console.warn(`skipped: ${found}`);
      return;
    }
    const done = await compare(workspace, found, profile, { count: share, seed, path });
    console.info(
      `${done.sequenceCount} sequences with ${done.replyCount} replies, ${profile.name}: no difference to ${found.name}, seed ${seed}`,
    );
    if (path !== undefined) return;
    expect(done.sequenceCount).toBe(share);
    if (share < SHARE_THAT_SHOWS) return;
    expect(profile.errors.filter((name) => !done.errors.has(zookeeperErrorCodes[name]))).toEqual(
      [],
    );
  },
  limitMs(count),
);
