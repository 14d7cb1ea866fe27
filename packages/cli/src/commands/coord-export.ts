/** coord-export: takes our data back to ZooKeeper. */
import { exportToZooKeeper } from '@odradek/coord/offline';
import type { Tool } from '../context.ts';
import { directoriesOf, onlyWord, progressTo, summaryLine } from '../coord-offline.ts';
import { toolLogging } from '../logging.ts';
import { parseOptions, renderUsage, UsageError } from '../options.ts';

const name = 'coord-export';
const description =
  'Writes a snapshot from which ZooKeeper (3.4 to 3.9) starts: coord-export DIR --to DIR. The server must be stopped.';
const table = {
  to: {
    kind: 'text',
    hint: 'directory',
    required: true,
    about: "ZooKeeper's dataDir to be; its folder version-2 must be empty.",
  },
  'log-dir': { kind: 'text', hint: 'directory', about: 'Our dataLogDir, where it is another one.' },
} as const;

export const coordExport: Tool = {
  name,
  description,
  usage: () => renderUsage(description, table),
  wantsWords: true,
  reportsSignal: true,
  logging: toolLogging,
  async run(words, context) {
    const { values, rest } = parseOptions(name, table, words);
    const { to } = values;
    if (to === undefined) throw new UsageError('Missing required option [to]');
    const from = directoriesOf(onlyWord('directory', rest), values['log-dir']);
    const report = await exportToZooKeeper(context.environment, { from, to }, progressTo(context));
    await context.stdout(`${summaryLine(report)}; wrote ${report.written}\n`);
    return 0;
  },
};
