/**
 * kafka-dump-log: what the files of a partition hold, with the options and in the form of Kafka 3.9.
 * Here is the call; the kinds of files and the forms of contents are in kafka-dump-log/.
 *
 * The decoders of KRaft's metadata log and of tiered storage's are not there, since nothing here
 * writes those, and no class can be loaded: what is asked for and not there is refused.
 */
import type { Tool } from '../context.ts';
import { toolLogging } from '../logging.ts';
import { type OptionValues, parseOptions, renderUsage, UsageError } from '../options.ts';
import { VERSION } from '../version.ts';
import {
  type ContentDecoder,
  classDecoder,
  DEFAULT_DECODER,
  decoderClass,
} from './kafka-dump-log/decoders.ts';
import { dumpOffsetIndex, dumpTimeIndex } from './kafka-dump-log/dump-index.ts';
import { dumpLog, type LogOptions } from './kafka-dump-log/dump-log.ts';
import { dumpSnapshot, dumpTransactionIndex } from './kafka-dump-log/dump-states.ts';
import { Findings } from './kafka-dump-log/findings.ts';
import { suffixOf } from './kafka-dump-log/names.ts';
import { offsetsDecoder } from './kafka-dump-log/offsets-decoder.ts';
import { Page } from './kafka-dump-log/page.ts';
import { transactionDecoder } from './kafka-dump-log/transaction-decoder.ts';

const name = 'kafka-dump-log';
const description =
  'Prints what log files, indexes and producer snapshots hold, to look into a segment that seems damaged.';
const DEFAULT_MAX_MESSAGE_SIZE = 5 * 1024 * 1024;
const MAX_BYTES_OF_ALL = 2_147_483_647;

const table = {
  files: {
    kind: 'text',
    hint: 'String: file1, file2, ...',
    about: 'The files, separated by commas: .log, .index, .timeindex, .txnindex, .snapshot.',
    required: true,
  },
  'print-data-log': {
    kind: 'flag',
    about: 'Prints the contents of records; decoders set it by themselves.',
  },
  'deep-iteration': {
    kind: 'flag',
    about: 'Prints records and not only batches; set with print-data-log.',
  },
  'verify-index-only': { kind: 'flag', about: 'Checks an index and does not print it.' },
  'index-sanity-check': {
    kind: 'flag',
    about: 'Only makes the check of an index by which a start decides whether to rebuild it.',
  },
  'max-message-size': {
    kind: 'number',
    hint: 'Integer: size',
    about: 'Bytes of the largest batch.',
    shownDefault: String(DEFAULT_MAX_MESSAGE_SIZE),
  },
  'max-bytes': {
    kind: 'number',
    hint: 'Integer: size',
    about: 'Bytes after which to stop reading a .log file.',
    shownDefault: String(MAX_BYTES_OF_ALL),
  },
  'key-decoder-class': {
    kind: 'optional',
    about: 'Decodes keys: StringDecoder, LongDecoder, IntegerDecoder or DefaultDecoder.',
    shownDefault: DEFAULT_DECODER,
  },
  'value-decoder-class': {
    kind: 'optional',
    about: 'Decodes values: StringDecoder, LongDecoder, IntegerDecoder or DefaultDecoder.',
    shownDefault: DEFAULT_DECODER,
  },
  'offsets-decoder': { kind: 'flag', about: 'Decodes records of __consumer_offsets.' },
  'transaction-log-decoder': { kind: 'flag', about: 'Decodes records of __transaction_state.' },
  'cluster-metadata-decoder': {
    kind: 'flag',
    about: "Records of KRaft's metadata log; not available here.",
  },
  'remote-log-metadata-decoder': {
    kind: 'flag',
    about: 'Records of tiered storage; not available here.',
  },
  'skip-record-metadata': { kind: 'flag', about: 'Prints of records only key and payload.' },
  version: { kind: 'flag', about: 'Prints the version.' },
  help: { kind: 'flag', about: 'Prints this.' },
} as const;

type Values = OptionValues<typeof table>;

export const kafkaDumpLog: Tool = {
  name,
  description,
  usage: () => renderUsage(description, table),
  wantsWords: true,
  reportsSignal: true,
  logging: toolLogging,
  async run(words, { environment: { disk }, stdout, stderr, outputClosed, interrupted }) {
    if (words.includes('--version')) {
      await stdout(`${VERSION}\n`);
      return 0;
    }
    if (words.includes('--help')) throw new UsageError('');
    const { values } = parseOptions(name, table, words);
    const page = new Page(stdout);
    const findings = new Findings();
    const maxBytes = values['max-bytes'] ?? MAX_BYTES_OF_ALL;
    if (values['cluster-metadata-decoder'] || values['remote-log-metadata-decoder']) {
      throw new UsageError(
        'Records of KRaft and of tiered storage cannot be decoded: without the option they are printed as they are',
      );
    }
    const logOptions = (): LogOptions => {
      const decoder = decoderOf(values, page);
      return {
        deep: values['deep-iteration'] || decoder !== null,
        decoder,
        skipRecordMetadata: values['skip-record-metadata'],
        maxBytes: maxBytes === MAX_BYTES_OF_ALL ? null : maxBytes,
      };
    };
    const indexOptions = {
      sanityOnly: values['index-sanity-check'],
      verifyOnly: values['verify-index-only'],
      maxMessageSize: values['max-message-size'] ?? DEFAULT_MAX_MESSAGE_SIZE,
    };
    try {
      for (const shown of filesOf(values.files)) {
        if (outputClosed.aborted || interrupted.aborted) break;
        page.line(`Dumping ${shown}`);
        const file = { path: shown, name: shown.slice(shown.lastIndexOf('/') + 1), shown };
        const target = { page, findings };
        switch (suffixOf(file.name)) {
          case '.log':
          case '.checkpoint':
            await dumpLog(disk, file, logOptions(), target);
            break;
          case '.index':
            await dumpOffsetIndex(disk, file, indexOptions, target);
            break;
          case '.timeindex':
            await dumpTimeIndex(disk, file, indexOptions, target);
            break;
          case '.snapshot': {
            const damage = await dumpSnapshot(disk, shown, page);
            if (damage !== null) await stderr(`${damage}\n`);
            break;
          }
          case '.txnindex':
            await dumpTransactionIndex(disk, file, page);
            break;
          default:
            await stderr(`Ignoring unknown file ${shown}\n`);
        }
      }
    } finally {
      await page.flush();
    }
    const lines = findings.lines();
    if (lines.length > 0) await stderr(`${lines.join('\n')}\n`);
    return 0;
  },
};

/** As Java shows a path: single slashes, none at the end. */
function filesOf(list: string | undefined): string[] {
  return (list ?? '').split(',').map((file) => normalized(file));
}

function normalized(file: string): string {
  const single = file.replace(/\/{2,}/g, '/');
  return single.length > 1 ? single.replace(/\/$/, '') : single;
}

/** null: contents are not printed. @throws DumpFailure for a class that is not there */
function decoderOf(values: Values, page: Page): ContentDecoder | null {
  if (values['offsets-decoder']) return offsetsDecoder;
  if (values['transaction-log-decoder']) return transactionDecoder;
  const { 'key-decoder-class': forKeys, 'value-decoder-class': forValues } = values;
  if (!values['print-data-log'] && forKeys === undefined && forValues === undefined) return null;
  const value = decoderClass(typeof forValues === 'string' ? forValues : DEFAULT_DECODER);
  const key = decoderClass(typeof forKeys === 'string' ? forKeys : DEFAULT_DECODER);
  for (const { remark } of [value, key]) if (remark !== null) page.line(remark);
  return classDecoder(key, value);
}
