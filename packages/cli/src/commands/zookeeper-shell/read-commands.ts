/** Commands that look at nodes: ls, get, stat, sync, and the two that count or list without a node's data. */
import { operations } from '@odradek/client';
import { renderStat } from '../../stat-block.ts';
import type { ParsedWords } from './arguments.ts';
import type { ShellCommand, ShellSurroundings } from './command.ts';
import { asBase64, asHexDump, asText } from './data-formats.ts';
import { about } from './failures.ts';
import { checkedPath } from './paths.ts';
import { nodesFrom } from './tree-walk.ts';

const NEWLINE = Buffer.from('\n');

const ls: ShellCommand = {
  usage: '[-s] [-w] [-R] path',
  wordsMin: 1,
  options: {
    '?': { about: 'help' },
    R: { about: 'recurse' },
    s: { about: 'stat' },
    w: { about: 'watch' },
  },
  async run(parsed, { session, stdout, ...rest }) {
    if (parsed.has('?')) await stdout(LS_HELP);
    const { path, watch } = await watchable('ls', '[-w]', parsed, { session, stdout, ...rest });
    if (parsed.has('R')) {
      for await (const found of nodesFrom(session, path, watch)) await stdout(`${found}\n`);
      return;
    }
    const { children, stat } = await about(
      path,
      session.call(operations.getChildren2, { path, watch }),
    );
    await stdout(`[${[...children].sort().join(', ')}]\n`);
    if (parsed.has('s')) await stdout(renderStat(stat));
  },
};

const LS_HELP = `usage: ls [options] path
 -?   help
 -R   recurse
 -s   stat
 -w   watch
`;

const get: ShellCommand = {
  usage: '[-s] [-w] [-b] [-x] path',
  wordsMin: 1,
  showsOptions: true,
  options: {
    b: { about: 'Output data in base64 format' },
    s: { about: 'Print znode stats additionally' },
    w: { about: 'Watch for changes on the znode' },
    x: { about: 'Output data in hexdump format' },
  },
  async run(parsed, surroundings) {
    const { session, stdout } = surroundings;
    const { path, watch } = await watchable('get', '[-s] [-w]', parsed, surroundings);
    const { data, stat } = await about(path, session.call(operations.getData, { path, watch }));
    const shown = parsed.has('x') ? asHexDump : parsed.has('b') ? asBase64 : asText;
    await stdout(Buffer.concat([shown(data), NEWLINE]));
    if (parsed.has('s')) await stdout(renderStat(stat));
  },
};

const stat: ShellCommand = {
  usage: '[-w] path',
  wordsMin: 1,
  options: { w: { about: 'watch' } },
  async run(parsed, surroundings) {
    const { session, stdout } = surroundings;
    const { path, watch } = await watchable('stat', '[-w]', parsed, surroundings);
    const found = await about(path, session.call(operations.exists, { path, watch }));
    await stdout(renderStat(found.stat));
  },
};

const sync: ShellCommand = {
  usage: 'path',
  wordsMin: 1,
  options: {},
  async run({ words }, { session, stdout }) {
    const path = checkedPath(words[0] ?? '');
    await about(path, session.call(operations.sync, { path }));
    await stdout('Sync is OK\n');
  },
};

const getAllChildrenNumber: ShellCommand = {
  usage: 'path',
  wordsMin: 1,
  options: {},
  async run({ words }, { session, stdout }) {
    const path = checkedPath(words[0] ?? '');
    const { totalNumber } = await about(
      path,
      session.call(operations.getAllChildrenNumber, { path }),
    );
    await stdout(`${totalNumber}\n`);
  },
};

/** Those of the calling session whose path begins so. */
const getEphemerals: ShellCommand = {
  usage: 'path',
  wordsMin: 0,
  options: {},
  async run({ words }, { session, stdout }) {
    const prefixPath = checkedPath(words[0] ?? '/');
    const { ephemerals } = await about(
      prefixPath,
      session.call(operations.getEphemerals, { prefixPath }),
    );
    await stdout(`[${[...ephemerals].sort().join(', ')}]\n`);
  },
};

export const readCommands = { get, getAllChildrenNumber, getEphemerals, ls, stat, sync };

/** The path, and whether to watch it: by -w, or by any word behind the path as before ZooKeeper 3.5. */
async function watchable(
  name: string,
  options: string,
  { has, words }: ParsedWords,
  { stderr }: ShellSurroundings,
): Promise<{ readonly path: string; readonly watch: boolean }> {
  const hasOldForm = words.length > 1;
  if (hasOldForm)
    await stderr(
      `'${name} path [watch]' has been deprecated. Please use '${name} ${options} path' instead.\n`,
    );
  return { path: checkedPath(words[0] ?? ''), watch: hasOldForm || has('w') };
}
