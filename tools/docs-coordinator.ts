/**
 * The pages about the coordination server that follow from its tables: configuration, four-letter words and admin
 * commands, metrics. `npm run docs` writes them.
 */
import { zooCfg } from '@odradek/coord';
import {
  eventLoopMetrics,
  type MetricTable,
  renderConfigDocs,
  renderMetricDocs,
} from '@odradek/runtime';
import { idleKeys } from '../packages/coord/src/config/idle-keys.ts';
import { adminCommands } from '../packages/coord/src/server/admin/admin-commands.ts';
import { fourLetterWords } from '../packages/coord/src/server/four-letter-words.ts';
import {
  countedMetrics,
  ensembleMetrics,
  gaugeMetrics,
  ownMetrics,
  quorumMetrics,
  quotaMetrics,
} from '../packages/coord/src/server/metrics-table.ts';
import { processMetrics } from '../packages/runtime/src/node/process-metrics.ts';

interface Page {
  readonly path: string;
  readonly text: string;
}

export function coordinatorPages(): readonly Page[] {
  return [
    { path: 'docs/configuration-coordinator.md', text: configuration() },
    { path: 'docs/four-letter-words.md', text: words() },
    { path: 'docs/metrics-coordinator.md', text: metrics() },
  ];
}

function configuration(): string {
  const table = renderConfigDocs(zooCfg, {
    title: 'Configuration of the coordination server',
    introduction:
      "Every key of `zoo.cfg` (`zookeeper.properties`) that does something. Names, types and defaults are ZooKeeper's, so that an " +
      "operator's file works as it is; where a default differs, the row says so. Every key may also be written with " +
      '`zookeeper.` in front, which is what the original calls it on the command line of Java. A wrong value stops the ' +
      'start and is told with file, line, key and what is allowed; an unknown key is a warning that names the nearest known one.',
  });
  const rows = idleKeys.map(
    ({ keys, why }) => `| ${keys.map((key) => `\`${key}\``).join(', ')} | ${why} |`,
  );
  return [
    table,
    '## Keys without effect',
    '',
    'Taken, so that a file of the original starts the server, and told in the log.',
    '',
    '| keys | why |',
    '| --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function words(): string {
  const wordRows = Object.entries(fourLetterWords).map(
    ([word, doc]) => `| \`${word}\` | ${isAllowed(word)} | ${doc} |`,
  );
  const commandRows = Object.entries(adminCommands).map(([name, { aliases, doc }]) => {
    const others = aliases.map((alias) => `\`${alias}\``).join(', ');
    return `| \`${name}\` | ${others} | ${doc} |`;
  });
  return [
    '<!-- Generated from the tables of words and commands: change the tables, not this page. -->',
    '# Four-letter words and admin commands',
    '',
    'A connection to the client port that begins with one of these words instead of a frame is answered with text and closed:',
    '`echo mntr | nc localhost 2181`. The formats are those of ZooKeeper 3.9, line for line. Which words are answered is set by',
    '`4lw.commands.whitelist` (`*` for all); the others say that they are not on the list. The original answers only `srvr` by',
    'default, here those that monitoring needs are answered as well.',
    '',
    '| word | by default | meaning |',
    '| --- | --- | --- |',
    ...wordRows,
    '',
    '## Admin commands',
    '',
    'With `admin.enableServer=true` the same is told as JSON at `http://host:8080/commands/NAME`, with the names and keys of the',
    'original; `/commands` lists them. Every answer has `command` and `error`. 64-bit numbers are bare numbers: read session',
    'ids with a parser that does not round them. There is no access control: bind `admin.serverAddress` to an address that only',
    'operators reach. If the port is taken the server says so in its log and goes on without the pages.',
    '',
    '| command | other names | meaning |',
    '| --- | --- | --- |',
    ...commandRows,
    '',
  ].join('\n');
}

const allowed: readonly string[] = zooCfg['4lw.commands.whitelist'].default;
const isAllowed = (word: string): string => (allowed.includes(word) ? 'answered' : 'on request');

function metrics(): string {
  const tables: readonly MetricTable[] = [
    gaugeMetrics,
    countedMetrics,
    quotaMetrics,
    ownMetrics,
    ensembleMetrics,
    quorumMetrics,
    eventLoopMetrics,
    processMetrics,
  ];
  return renderMetricDocs(tables, {
    title: 'Metrics of the coordination server',
    introduction:
      'With `metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider` these are at ' +
      "`http://host:7000/metrics` (`metricsProvider.httpPort`), under ZooKeeper's own names, so that its dashboards and alerts " +
      'work as they are. `mntr` and the admin command `monitor` tell the same (without `process_`): gauges and counters under ' +
      'their name, one with a `key` under the key and the name, summaries as `avg_`, `min_`, `max_`, `cnt_`, `sum_` and, those ' +
      'with three quantiles, `p50_`, `p95_`, `p99_`, `p999_`. Times are in ms. Quantiles are those of the latest 1024 values. ' +
      '`srst` begins gauges of latency and packets, `readlatency` and `updatelatency` anew; counters go on.',
  });
}
