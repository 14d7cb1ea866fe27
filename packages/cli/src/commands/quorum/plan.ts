/** quorum plan: what every failure and every cut would lead to, and the cheapest change that helps. */
import {
  type Failure,
  type Plan,
  planOf,
  type SiteCut,
  type Sites,
  type Weakness,
} from '@odradek/coord/quorum';
import type { CommandContext } from '../../context.ts';
import { parseOptions, renderUsage } from '../../options.ts';
import type { QuorumCommand } from '../quorum.ts';
import {
  membersInFile,
  siteOptions,
  sitesFrom,
  sourceOf,
  sourceOptions,
  surveyOf,
} from './members.ts';
import { table } from './text-table.ts';

const name = 'quorum plan';
const description =
  'quorum plan FILE | --server LIST: what every single failure, every pair and every cut of a site would lead to. ' +
  'FILE is a zoo.cfg or a file of members; nothing has to run.';
const options = {
  ...sourceOptions,
  ...siteOptions,
  json: { kind: 'flag', about: 'All of it as JSON on one line.' },
} as const;

export const plan: QuorumCommand = {
  usage: renderUsage(description, options),
  async run(words, context) {
    const { values, rest } = parseOptions(name, options, words);
    const source = sourceOf(rest, values);
    const ensemble =
      source.file !== null && source.servers.length === 0
        ? (await membersInFile(context, source.file)).ensemble
        : (await surveyOf(context, source)).ensemble;
    const sites = sitesFrom(ensemble, values.site);
    const outcome = planOf(ensemble, sites);
    if (values.json) {
      await context.stdout(`${JSON.stringify(outcome, mapsAsObjects)}\n`);
    } else {
      await print(context, outcome, sites);
    }
    return 0;
  },
};

const mapsAsObjects = (_name: string, value: unknown): unknown =>
  value instanceof Map ? Object.fromEntries(value) : value;

async function print({ stdout }: CommandContext, outcome: Plan, sites: Sites): Promise<void> {
  const { voters, servers, pairs, cuts, requirement } = outcome;
  const weights = voters.map(({ id, weight }) => `server ${id}: ${weight}`).join(', ');
  await stdout(`${requirement} decide (${weights}).\n\nOne server down:\n`);
  await stdout(table(servers.map((failure) => failureRow(failure))));
  if (pairs.length > 0) {
    await stdout(`\nTwo servers down (${pairs.length} pairs):\n${pairsText(pairs)}`);
  }
  if (cuts.length > 0) {
    await stdout('\nA site cut off from the others:\n');
    await stdout(table(cuts.map((cut) => cutRow(cut, sites))));
    await stdout('\nA site lost:\n');
    await stdout(table(cuts.map(lossRow)));
  }
  await stdout(`\n${verdict(outcome)}\n`);
}

const servers = (ids: readonly number[]): string =>
  `${ids.length === 1 ? 'server' : 'servers'} ${ids.join(', ')}`;
const outcomeWord = (goesOn: boolean): string => (goesOn ? 'goes on' : 'STOPS');

const failureRow = ({ down, goesOn, left }: Failure): string[] => [
  servers(down),
  `${left} left`,
  outcomeWord(goesOn),
];

function pairsText(pairs: readonly Failure[]): string {
  const stopping = pairs.filter(({ goesOn }) => !goesOn);
  if (stopping.length === 0) return '  all of them: goes on\n';
  const rest = pairs.length - stopping.length;
  return `${table(stopping.map(failureRow))}${rest > 0 ? `  the other ${rest}: goes on\n` : ''}`;
}

function cutRow({ site, siteDecides, othersDecide, siteHolds, othersHold }: SiteCut, sites: Sites) {
  const who =
    siteDecides || othersDecide
      ? `${siteDecides ? 'it' : 'the rest'} goes on, ${siteDecides ? 'the rest' : 'it'} waits`
      : 'BOTH WAIT: nobody decides';
  return [
    `${site} (${(sites.get(site) ?? []).join(', ')})`,
    `${siteHolds}, the rest ${othersHold}`,
    who,
  ];
}

const lossRow = ({ site, othersDecide, othersHold }: SiteCut): string[] => [
  site,
  `${othersHold} left`,
  othersDecide
    ? 'goes on'
    : 'STOPS until it is back, or until a take-over (odradek quorum takeover)',
];

const named: Readonly<Record<Weakness, string>> = {
  server: 'the failure of one server stops the service',
  cut: 'a cut between sites stops the service on both sides, though nobody is down',
  site: 'the loss of a site stops the service',
  pair: 'the failure of two servers stops the service',
};

const otherwise: Readonly<Record<Weakness, string>> = {
  server: 'three servers of the same weight survive the failure of one',
  cut: 'an odd number of votes, or a third site, always leaves one side that decides',
  site: 'with two sites the one that decides is always needed; a third site with one vote changes that',
  pair: 'five servers of the same weight survive the failure of two',
};

function verdict({ weaknesses, remedy }: Plan): string {
  const [worst] = weaknesses;
  if (worst === undefined) return 'No single failure, no pair and no site stops the service.';
  const lines = [`Worst: ${named[worst]}.`];
  if (remedy?.against !== worst) {
    lines.push(`No small change of weights helps: ${otherwise[worst]}.`);
  }
  if (remedy !== null) {
    const change = [...remedy.change.weights].map(([id, weight]) => `weight.${id}=${weight}`);
    const left = remedy.change.plan.weaknesses.map((weakness) => named[weakness]);
    const after = left.length === 0 ? 'nothing of all this' : left.join('; ');
    lines.push(
      `Cheapest change, after which not: ${named[remedy.against]}:`,
      `  ${change.join(' ')}`,
      `What stays: ${after}.`,
    );
  }
  return lines.join('\n');
}
