/** coord-import: brings the data directory of a ZooKeeper server over. */
import { importZooKeeper } from '@odradek/coord/offline';
import type { Tool } from '../context.ts';
import { directoriesOf, progressTo, summaryLine } from '../coord-offline.ts';
import { toolLogging } from '../logging.ts';
import { parseOptions, renderUsage, UsageError } from '../options.ts';

const name = 'coord-import';
const description =
  "Brings the data of a stopped ZooKeeper server (3.4 to 3.9) over: coord-import --from DIR --to DIR. ZooKeeper's files are only read.";
const table = {
  from: { kind: 'text', hint: 'directory', required: true, about: "ZooKeeper's dataDir." },
  'log-dir': {
    kind: 'text',
    hint: 'directory',
    about: "ZooKeeper's dataLogDir, where it is another one.",
  },
  to: {
    kind: 'text',
    hint: 'directory',
    about:
      'dataDir of our server; may be the same folder, for the files have folders of their own in it.',
  },
  'dry-run': { kind: 'flag', about: 'Reads and checks everything and writes nothing.' },
  'accept-loss': {
    kind: 'flag',
    about: 'Where the log is damaged or has a gap, ends there with a warning instead of refusing.',
  },
  'emulate-353-ttl-nodes': {
    kind: 'flag',
    about: 'The data has nodes with a time to live that were made by ZooKeeper 3.5.3.',
  },
} as const;

export const coordImport: Tool = {
  name,
  description,
  usage: () => renderUsage(description, table),
  wantsWords: true,
  reportsSignal: true,
  logging: toolLogging,
  async run(words, context) {
    const { values, rest } = parseOptions(name, table, words);
    const { from, to } = values;
    const dryRun = values['dry-run'];
    if (rest.length > 0) throw new UsageError(`'${rest[0]}' belongs to no option`);
    if (from === undefined) throw new UsageError('Missing required option [from]');
    if (to === undefined && !dryRun) throw new UsageError('Missing required option [to]');
    const options = {
      from: {
        dataDirectory: from,
        logDirectory: values['log-dir'] ?? null,
        acceptLoss: values['accept-loss'],
        oldTtlMarks: values['emulate-353-ttl-nodes'],
      },
      to: to === undefined || dryRun ? null : directoriesOf(to, undefined),
    };
    const report = await importZooKeeper(context.environment, options, progressTo(context));
    const { snapshot, replayed, digestMatches, written } = report;
    await context.stdout(
      [
        `read ${snapshot ?? 'the log from its beginning'}, replayed ${replayed} transactions`,
        summaryLine(report),
        digestMatches === true
          ? 'the tree has the digest that ZooKeeper noted for it'
          : digestMatches === false
            ? 'the tree has NOT the digest that ZooKeeper noted for it'
            : 'ZooKeeper noted no digest for this transaction',
        written === null ? 'nothing was written' : `wrote ${written}`,
        '',
      ].join('\n'),
    );
    return 0;
  },
};
