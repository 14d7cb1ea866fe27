/** Commands about who may do what: getAcl, setAcl, addauth, whoami. */
import { operations } from '@odradek/client';
import { ZooKeeperError } from '@odradek/protocol';
import { renderStat } from '../../stat-block.ts';
import { readAcl, showAcl } from './acl-text.ts';
import type { ShellCommand } from './command.ts';
import { about, RequestFailed, ShellError } from './failures.ts';
import { checkedPath } from './paths.ts';
import { nodesFrom } from './tree-walk.ts';
import { versionOf } from './write-commands.ts';

const getAcl: ShellCommand = {
  usage: '[-s] path',
  wordsMin: 1,
  options: { s: { about: 'stats' } },
  async run({ has, words: [path = ''] }, { session, stdout }) {
    const asked = session.call(operations.getAcl, { path: checkedPath(path) });
    const { acl, stat } = await about(path, asked);
    await stdout(showAcl(acl));
    if (has('s')) await stdout(renderStat(stat));
  },
};

const setAcl: ShellCommand = {
  usage: '[-s] [-v version] [-R] path acl',
  wordsMin: 2,
  options: {
    R: { about: 'recursive' },
    s: { about: 'stats' },
    v: { takesValue: true, about: 'version' },
  },
  async run({ has, valueFor, words: [path = '', text = ''] }, { session, stdout, stderr }) {
    const { entries, complaints } = readAcl(text);
    for (const complaint of complaints) await stderr(`${complaint}\n`);
    const version = versionOf(valueFor('v'));
    if (entries.length === 0) throw new RequestFailed(new ZooKeeperError('INVALID_ACL'), null);
    checkedPath(path);
    const apply = (to: string) =>
      about(to, session.call(operations.setAcl, { path: to, acl: entries, version }));
    if (has('R')) {
      let wasRefused = false;
      for await (const found of nodesFrom(session, path))
        try {
          await apply(found);
        } catch (failure) {
          // The others may still take it; a tree with one node of somebody else is no reason to stop.
          if (!(failure instanceof RequestFailed) || !session.isAlive) throw failure;
          await stderr(`${failure.message}\n`);
          wasRefused = true;
        }
      if (wasRefused) throw new ShellError('');
      return;
    }
    const { stat } = await apply(path);
    if (has('s')) await stdout(renderStat(stat));
  },
};

const addauth: ShellCommand = {
  usage: 'scheme auth',
  wordsMin: 1,
  options: {},
  async run({ words: [scheme = '', auth] }, { session }) {
    try {
      await session.authenticate(scheme, auth === undefined ? null : Buffer.from(auth));
    } catch (failure) {
      // The event that tells of it has been printed; the exit code is what is left to say.
      if (failure instanceof ZooKeeperError && failure.code === 'AUTH_FAILED')
        throw new ShellError('');
      throw failure;
    }
  },
};

const whoami: ShellCommand = {
  usage: '',
  wordsMin: 0,
  options: {},
  async run(_parsed, { session, stdout }) {
    const { clientInfo } = await about(null, session.call(operations.whoAmI, null));
    const lines = clientInfo.map(({ authScheme, user }) => `${authScheme}: ${user}\n`);
    await stdout(`Auth scheme: User\n${lines.join('')}`);
  },
};

export const aclCommands = { addauth, getAcl, setAcl, whoami };
