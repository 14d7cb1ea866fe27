/** coord-check: reads every file of a data directory and says what a start would do. */
import { type CheckReport, checkDataDirectory, verdictOf } from '@odradek/coord/offline';
import type { Tool } from '../context.ts';
import { directoriesOf, hex, jsonOf, onlyWord, progressTo, summaryLine } from '../coord-offline.ts';
import { toolLogging } from '../logging.ts';
import { parseOptions, renderUsage } from '../options.ts';

const name = 'coord-check';
const description =
  'Checks a data directory of the coordination server and changes nothing: coord-check DIR. ' +
  'Exit code 0: all is well; 1: a start would refuse; 2: a start would work, but something is damaged.';
const table = {
  'log-dir': { kind: 'text', hint: 'directory', about: 'dataLogDir, where it is another one.' },
  online: { kind: 'flag', about: 'A server may be running on the directory.' },
  json: { kind: 'flag', about: 'The whole report as one JSON object.' },
} as const;

/** A start works, and yet there is something to look after. */
const EXIT_DAMAGED = 2;

export const coordCheck: Tool = {
  name,
  description,
  usage: () => renderUsage(description, table),
  wantsWords: true,
  reportsSignal: true,
  logging: toolLogging,
  async run(words, context) {
    const { values, rest } = parseOptions(name, table, words);
    const directories = directoriesOf(onlyWord('directory', rest), values['log-dir']);
    const options = { ...directories, online: values.online };
    const report = await checkDataDirectory(context.environment, options, progressTo(context));
    await context.stdout(values.json ? `${jsonOf(report)}\n` : textOf(report));
    return exitCodeOf(report);
  },
};

function exitCodeOf({ files, gaps, start }: CheckReport): number {
  if (start === null) return 1;
  return gaps.length > 0 || files.some(({ damage }) => damage !== null) ? EXIT_DAMAGED : 0;
}

function textOf(report: CheckReport): string {
  const { files, gaps, start, refusal, mark, install } = report;
  const lines = [...files.map(verdictOf), ...gaps.map((gap) => `GAP: ${gap}`)];
  if (files.length === 0)
    lines.push('there are no files yet: a start would begin with an empty tree');
  if (mark !== null) {
    const { clusterId, acceptedEpoch, currentEpoch, fence } = mark;
    lines.push(
      `member of the ensemble ${clusterId ?? '(not named yet)'}: promised epoch ${acceptedEpoch}, has the history of ` +
        `epoch ${currentEpoch}${fence > 0 ? `, take-overs ${fence}` : ''}`,
    );
  }
  if (install !== null) {
    lines.push(`A start would put ${install} in the place of all other files: a leader sent it.`);
  }
  if (start === null) {
    lines.push(`A start would REFUSE: ${refusal?.message ?? ''}`);
  } else {
    const base = start.snapshot === null ? 'begin with an empty tree' : `load ${start.snapshot}`;
    lines.push(
      `A start would ${base} and replay ${start.replayed} transactions: ${summaryLine(start)}`,
    );
    if (start.tornBytes > 0) {
      lines.push(
        `It would cut ${start.tornBytes} bytes of an unfinished write, which nobody was promised.`,
      );
    }
    lines.push(`digest ${hex(start.digest)}`);
    lines.push(exitCodeOf(report) === 0 ? 'OK' : 'DAMAGED: see above');
  }
  return `${lines.join('\n')}\n`;
}
