/** coord-backup: one checksummed file of a data directory, whether its server runs or not. */
import { backUp } from '@odradek/coord/offline';
import type { Tool } from '../context.ts';
import { directoriesOf, hex, onlyWord, progressTo, zxidOption } from '../coord-offline.ts';
import { toolLogging } from '../logging.ts';
import { parseOptions, renderUsage, UsageError } from '../options.ts';

const name = 'coord-backup';
const description =
  'Writes a backup of a data directory of the coordination server into one file: coord-backup DIR --to FILE. The server may be running.';
const table = {
  to: {
    kind: 'text',
    hint: 'file or folder',
    required: true,
    about:
      'A file that is not there yet, or a folder, in which it is named by its last transaction.',
  },
  'log-dir': { kind: 'text', hint: 'directory', about: 'dataLogDir, where it is another one.' },
  zxid: { kind: 'text', hint: 'zxid', about: 'The last transaction that goes in.' },
  history: {
    kind: 'flag',
    about: 'Begins with the oldest snapshot: it can be brought back as of any transaction since.',
  },
} as const;

export const coordBackup: Tool = {
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
    const options = {
      from,
      to,
      upToZxid: zxidOption('zxid', values.zxid),
      wholeHistory: values.history,
    };
    const report = await backUp(context.environment, options, progressTo(context));
    const { path, sizeBytes, firstZxid, lastZxid, entryCount, recordCount } = report;
    await context.stdout(
      `${path}: ${sizeBytes} bytes, ${entryCount} snapshot entries and ${recordCount} transactions; ` +
        `can be brought back as of any transaction from ${hex(firstZxid)} to ${hex(lastZxid)}\n`,
    );
    return 0;
  },
};
