/** coord-log: prints transaction logs, snapshots and backups, ours or ZooKeeper's, one line per record. */
import { type Description, lineOf, listFile, verdictOf } from '@odradek/coord/offline';
import type { Tool } from '../context.ts';
import { jsonOf, zxidOption } from '../coord-offline.ts';
import { toolLogging } from '../logging.ts';
import { parseOptions, renderUsage, UsageError } from '../options.ts';

const name = 'coord-log';
const description =
  'Prints what is in transaction logs, snapshots and backups of the coordination server or of ZooKeeper: coord-log FILE...';
const table = {
  json: { kind: 'flag', about: 'One JSON object per record, and one per file at its end.' },
  verify: { kind: 'flag', about: 'Only reads and checks each file and says how it ends.' },
  from: { kind: 'text', hint: 'zxid', about: 'Only transactions from this one on.' },
  to: { kind: 'text', hint: 'zxid', about: 'Only transactions up to this one.' },
} as const;

export const coordLog: Tool = {
  name,
  description,
  usage: () => renderUsage(description, table),
  wantsWords: true,
  reportsSignal: true,
  logging: toolLogging,
  async run(words, { environment, stdout, stderr, outputClosed }) {
    const { values, rest } = parseOptions(name, table, words);
    if (rest.length === 0) throw new UsageError('No file is given');
    const range = {
      fromZxid: zxidOption('from', values.from),
      toZxid: zxidOption('to', values.to),
    };
    const print = async (record: Description): Promise<void> => {
      await stdout(`${values.json ? JSON.stringify(record) : lineOf(record)}\n`);
    };
    let code = 0;
    for (const path of rest) {
      if (outputClosed.aborted) break;
      const file = await listFile(environment.disk, path, range, values.verify ? null : print);
      if (file.damage !== null) code = 1;
      if (values.json) {
        const { torn, damage, kind, recordCount, firstZxid, lastZxid } = file;
        const end = {
          type: 'end',
          file: path,
          kind,
          recordCount,
          firstZxid,
          lastZxid,
          torn,
          damage,
        };
        await stdout(`${jsonOf(end)}\n`);
      } else if (values.verify) {
        await stdout(`${verdictOf(file)}\n`);
      } else {
        // Beside the records, so that a pipe gets them alone.
        await stderr(`${verdictOf(file)}\n`);
      }
    }
    return code;
  },
};
