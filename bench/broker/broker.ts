/**
 * Our broker beside Apache Kafka and a bare prototype, under foreign load clients: one row after the other, the servers
 * taking turns of a few seconds on the same machine, alone but for an idle neighbour. Medians of several rounds, as
 * Markdown tables on standard output; what is going on, on standard error.
 *
 *     npm run bench:broker -- [FILTER ...] [--rounds 3] [--seconds 3] [--smoke] [--all] [--list]
 *                             [--only NAME,...] [--beside DIRECTORY]
 *
 * A filter is a part of a row's name or its medium. `--only` chooses among `Odradek`, `Apache Kafka` and `prototype`;
 * `--beside` measures another built tree of ours too, as `before`.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { zstdReady } from '@odradek/protocol';
import { Workspace } from '../../test/support/workspace.ts';
import {
  apache,
  type Contestant,
  folderOn,
  type Medium,
  ours,
  prototype,
  quiet,
  type Server,
  type Surroundings,
} from './contestants.ts';
import { buildClients, type Clients, type Figures } from './loads.ts';
import { type Row, rowsFor } from './rows.ts';
import { medianOf, printTable } from './table.ts';
import { Turns } from './turn.ts';

const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    smoke: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    beside: { type: 'string', default: '' },
  },
});

/** What a smoke run measures for a moment: each kind of load once. */
const smokeRows = [
  'raw produce one record per request, tmpfs',
  'raw fetch 1 KB, catch-up, tmpfs',
  'librdkafka produce 1 KB, half load, tmpfs',
  'tail 1 KB at 20000/s beside catch-up, tmpfs',
  'raw produce 1 KB at 30000/s beside 4 catch-up readers, disk',
];

interface Standing {
  readonly contestant: Contestant;
  readonly server: Server;
}

function rows(): readonly Row[] {
  if (options.smoke && filters.length === 0)
    return rowsFor(smokeRows, false).filter(({ name, medium }) =>
      smokeRows.includes(`${name}, ${medium}`),
    );
  return rowsFor(filters, options.all);
}

function contestantsOf(surroundings: Surroundings): readonly Contestant[] {
  const all = [ours(surroundings, 'Odradek')];
  if (options.beside !== '') all.push(ours(surroundings, 'before', options.beside));
  // A smoke run is to be cheap: a second of start for each turn of Apache's would be most of it.
  const theirs = options.smoke ? 'left out of a smoke run' : apache(surroundings);
  if (typeof theirs === 'string') console.error(`Apache Kafka: ${theirs}`);
  else all.push(theirs);
  all.push(prototype(surroundings));
  const only = options.only.split(',').filter((name) => name !== '');
  if (only.length === 0) return all;
  return all.filter(({ name }) => only.some((part) => name.includes(part)));
}

async function measure(
  medium: Medium,
  ofMedium: readonly Row[],
  contestants: readonly Contestant[],
  workspace: Workspace,
  clients: Clients,
): Promise<void> {
  const folders: string[] = [];
  const standing: Standing[] = [];
  for (const contestant of contestants) {
    const folder = folderOn(medium);
    folders.push(folder);
    standing.push({ contestant, server: await contestant.start(folder) });
  }
  const turns = new Turns({
    clients,
    folder: workspace.directory,
    warmUpSeconds: options.smoke ? 0.1 : 1,
    seconds: options.smoke ? 0.3 : Number(options.seconds),
    producedBytesMax: options.smoke ? 2e7 : 1.5e9,
    readBytes: options.smoke ? 2e7 : 1e9,
    messagesPart: options.smoke ? 0.01 : 1,
  });
  const lines = new Map<string, Map<string, Figures>>();
  try {
    for (const row of ofMedium) await measureRow(turns, row, standing, lines);
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    const where = medium === 'disk' ? 'Log on disk' : 'Log in memory (tmpfs)';
    printTable(`**${where}**`, lines, cpus().length);
  }
}

async function measureRow(
  turns: Turns,
  row: Row,
  all: readonly Standing[],
  lines: Map<string, Map<string, Figures>>,
): Promise<void> {
  const standing = all.filter(({ contestant }) => row.withPrototype || !contestant.isPrototype);
  const servers = standing.map(({ server }) => server);
  const rounds = new Map<string, Map<string, Figures[]>>();
  await turns.pilot(servers, row);
  for (let round = 0; round < (options.smoke ? 1 : Number(options.rounds)); round += 1) {
    // Every other round goes backwards, so that nobody always runs behind the same neighbour.
    for (const server of round % 2 === 0 ? servers : servers.toReversed()) {
      if (row.medium === 'disk') spawnSync('sync', ['-f', server.logDirectory]);
      if (!options.smoke) for (const each of servers) await quiet(each);
      for (const [name, figures] of await turnOf(turns, server, row)) {
        console.error(progress(name, server, figures));
        const ofLine = rounds.get(name) ?? new Map<string, Figures[]>();
        rounds.set(name, ofLine);
        ofLine.set(server.name, [...(ofLine.get(server.name) ?? []), figures]);
      }
    }
  }
  await turns.end(servers, row);
  for (const [name, ofLine] of rounds) {
    const medians = servers.flatMap(({ name: server }): [string, Figures][] => {
      const figures = ofLine.get(server);
      return figures === undefined ? [] : [[server, medianOf(figures)]];
    });
    lines.set(`${name}, ${row.partitions} p`, new Map(medians));
  }
}

/** One that fails is told of and left out; the others count. */
async function turnOf(
  turns: Turns,
  server: Server,
  row: Row,
): Promise<ReadonlyMap<string, Figures>> {
  try {
    return await turns.run(server, row);
  } catch (error) {
    console.error(`FAILED ${row.name}, ${server.name}: ${error}`);
    process.exitCode = 1;
    return new Map();
  }
}

function progress(name: string, server: Server, figures: Figures): string {
  return [
    `${name}, ${server.name}:`,
    `${(figures.bytesPerSecond / 1e6).toFixed(1)} MB/s,`,
    `${figures.messagesPerSecond.toFixed(0)} messages/s, p99 ${figures.p99Ms} ms,`,
    `${figures.cpuSecondsPerGb.toFixed(2)} s/GB, ${figures.cpuMicrosPerMessage.toFixed(2)} µs/message,`,
    `broker ${(figures.serverCores * 100).toFixed(0)} %, client ${(figures.clientCores * 100).toFixed(0)} %,`,
    `peak ${figures.peakMegabytes.toFixed(0)} MB`,
  ].join(' ');
}

const chosen = rows();
if (chosen.length === 0) throw new Error(`no row fits ${filters.join(', ')}`);
if (options.list) {
  for (const { name, medium, partitions } of chosen)
    console.log(`${name}, ${medium}, ${partitions} partitions`);
  process.exit(0);
}
const workspace = new Workspace();
try {
  await zstdReady;
  const clients = buildClients(workspace);
  if (typeof clients === 'string') throw new Error(clients);
  const memory = Math.round(totalmem() / 1024 ** 3);
  console.log(
    `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${memory} GB, Linux ${release()}, Node ${process.version}, ` +
      `load average ${loadavg()[0]?.toFixed(1)}; ${options.rounds} rounds of ${options.seconds} s after 1 s of warming up`,
  );
  const contestants = contestantsOf({ workspace, librdkafka: clients.librdkafka });
  for (const medium of ['tmpfs', 'disk'] as const) {
    const ofMedium = chosen.filter((row) => row.medium === medium);
    if (ofMedium.length > 0) await measure(medium, ofMedium, contestants, workspace, clients);
  }
} finally {
  await workspace.dispose();
}
