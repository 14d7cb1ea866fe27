/** coord-restore: makes a data directory of a backup. */
import { restoreBackup } from '@odradek/coord/offline';
import type { Tool } from '../context.ts';
import { directoriesOf, onlyWord, progressTo, summaryLine, zxidOption } from '../coord-offline.ts';
import { toolLogging } from '../logging.ts';
import { parseOptions, renderUsage, UsageError } from '../options.ts';

const name = 'coord-restore';
const description =
  'Makes an empty data directory of the coordination server what a backup holds: coord-restore FILE --to DIR';
const table = {
  to: {
    kind: 'text',
    hint: 'directory',
    about: 'dataDir of the server to be; must not hold data of it yet.',
  },
  'log-dir': { kind: 'text', hint: 'directory', about: 'dataLogDir, where it is another one.' },
  zxid: { kind: 'text', hint: 'zxid', about: 'The last transaction that is brought back.' },
  'dry-run': { kind: 'flag', about: 'Only reads and checks the backup.' },
} as const;

export const coordRestore: Tool = {
  name,
  description,
  usage: () => renderUsage(description, table),
  wantsWords: true,
  reportsSignal: true,
  logging: toolLogging,
  async run(words, context) {
    const { values, rest } = parseOptions(name, table, words);
    const from = onlyWord('backup file', rest);
    const dryRun = values['dry-run'];
    if (values.to === undefined && !dryRun) throw new UsageError('Missing required option [to]');
    const to =
      values.to === undefined || dryRun ? null : directoriesOf(values.to, values['log-dir']);
    const options = { from, to, upToZxid: zxidOption('zxid', values.zxid) };
    const report = await restoreBackup(context.environment, options, progressTo(context));
    const outcome = report.written === null ? 'nothing was written' : `wrote ${report.written}`;
    await context.stdout(`${summaryLine(report)}; ${outcome}\n`);
    return 0;
  },
};
