/**
 * quorum move: hands the majority to another site while both live, step by step: looks whether all
 * is well, shows the change, asks, changes the weights in one transaction that needs a quorum of the
 * old and of the new members, and waits until everybody goes by it.
 */
import { operations, RawSession } from '@odradek/client';
import {
  commonQuorum,
  type Ensemble,
  InvalidEnsemble,
  memberLines,
  parseEnsemble,
  QuorumRules,
  type Sites,
  weightsToMove,
  withWeights,
} from '@odradek/coord/quorum';
import { ZooKeeperError } from '@odradek/protocol';
import { ConfigError, millis } from '@odradek/runtime';
import type { CommandContext } from '../../context.ts';
import { parseOptions, renderUsage, UsageError } from '../../options.ts';
import type { QuorumCommand } from '../quorum.ts';
import { isConfirmed } from './confirmation.ts';
import {
  type Source,
  type Survey,
  siteOptions,
  sitesFrom,
  sourceOf,
  sourceOptions,
  surveyOf,
} from './members.ts';
import { leaderOf, presentOf } from './status.ts';

const name = 'quorum move';
const description =
  'quorum move --to SITE --site NAME=IDS --site NAME=IDS FILE | --server LIST: hands the majority to another site while both live. ' +
  'Wants reconfigEnabled=true, and the right to write /zookeeper/config.';
const options = {
  ...sourceOptions,
  ...siteOptions,
  to: { kind: 'text', hint: 'site', required: true, about: 'The site that is to decide.' },
  weights: {
    kind: 'text',
    hint: 'id=n,...',
    about: 'New weights, instead of the smallest change that does it.',
  },
  auth: {
    kind: 'text',
    hint: 'scheme:credentials',
    about: 'Who asks, such as digest:super:password.',
  },
  confirm: {
    kind: 'text',
    hint: 'site',
    about: 'The name of the site once more, where nobody can be asked.',
  },
} as const;

const SESSION_MS = 10_000;
/** Everybody has learned of a change long before. */
const SETTLE_MS = 30_000;
const LOOK_AGAIN_MS = 200;

export const move: QuorumCommand = {
  usage: renderUsage(description, options),
  async run(words, context) {
    const { values, rest } = parseOptions(name, options, words);
    const source = sourceOf(rest, values);
    const to = values.to ?? '';
    const survey = await surveyOf(context, source);
    const sites = sitesFrom(survey.ensemble, values.site);
    const next = nextMembers(survey, sites, to, values.weights);
    if (next === null) {
      await context.stdout(`${to} decides already: ${sharesOf(survey.ensemble, sites)}.\n`);
      return 0;
    }
    const obstacle = obstacleTo(survey, next, sites.get(to) ?? []);
    if (obstacle !== null) {
      await context.stderr(`Nothing was changed: ${obstacle}\n`);
      return 1;
    }
    await context.stdout(announcement(survey, next, sites));
    const question = `Type ${to} to go on: `;
    if (!(await isConfirmed(context, question, to, values.confirm))) return 1;
    const version = await reconfigure(context, survey, next, values.auth ?? null);
    await context.stdout(`The change is certain, version ${version.toString(16)}.\n`);
    return await settled(context, source, version, sites);
  },
};

/** null: the site decides as it is. @throws UsageError, ConfigError */
function nextMembers(
  { ensemble }: Survey,
  sites: Sites,
  to: string,
  weights: string | undefined,
): Ensemble | null {
  const ids = sites.get(to);
  if (ids === undefined) {
    const known = [...sites.keys()].join(', ');
    throw new UsageError(
      known === '' ? 'the sites must be named (--site)' : `to: ${to} is none of the sites ${known}`,
    );
  }
  if (ensemble.groups.size > 0) {
    throw new ConfigError(
      'with groups a quorum needs most of the groups, and no weight moves it; change the groups by reconfig',
    );
  }
  const changed =
    weights === undefined ? weightsToMove(ensemble, sites, ids) : weightsIn(weights, ensemble);
  if (changed === null) {
    throw new ConfigError(`no small change of weights lets ${to} decide; name them (--weights)`);
  }
  if (changed.size === 0) return null;
  const next = withWeights(ensemble, changed);
  if (!new QuorumRules(next).isQuorum(ids)) {
    throw new ConfigError(`with these weights ${to} would not decide: ${sharesOf(next, sites)}`);
  }
  return next;
}

function weightsIn(text: string, ensemble: Ensemble): ReadonlyMap<number, number> {
  const weights = new Map<number, number>();
  for (const part of text.split(',')) {
    const match = /^\s*(\d+)\s*=\s*(\d+)\s*$/.exec(part);
    if (match === null) throw new UsageError(`weights: ${JSON.stringify(part)} is no id=n`);
    weights.set(Number(match[1]), Number(match[2]));
  }
  try {
    const lines = memberLines(withWeights(ensemble, weights)).join('\n');
    parseEnsemble(lines, 'weights');
  } catch (error) {
    throw error instanceof InvalidEnsemble ? new UsageError(error.message) : error;
  }
  return weights;
}

/** Why it must not be tried now; null: it may. */
function obstacleTo(survey: Survey, next: Ensemble, ids: readonly number[]): string | null {
  if (leaderOf(survey) === null) {
    return 'nobody leads, and only a leader can change members (odradek quorum explain says why; if the deciding site is lost for good: odradek quorum takeover)';
  }
  const present = presentOf(survey);
  const missing = ids.filter((id) => survey.rules.voters.includes(id) && !present.includes(id));
  if (missing.length > 0) {
    return `server ${missing.join(', ')} of that site is not there; all of its servers must follow before it can decide`;
  }
  if (commonQuorum(survey.ensemble, next, present) === null) {
    return `${survey.rules.describe(present)} are present; a change needs a quorum of the old members and one of the new, ${new QuorumRules(next).requirement}`;
  }
  return null;
}

function sharesOf(ensemble: Ensemble, sites: Sites): string {
  const rules = new QuorumRules(ensemble);
  return [...sites]
    .map(([site, ids]) => {
      const decides = rules.isQuorum(ids) ? ' and decides' : '';
      return `${site} holds ${rules.describe(ids)}${decides}`;
    })
    .join(', ');
}

function announcement({ ensemble, rules }: Survey, next: Ensemble, sites: Sites): string {
  const after = new QuorumRules(next);
  const changes = after.voters
    .filter((id) => after.weightOf(id) !== rules.weightOf(id))
    .map((id) => `  weight.${id}: ${rules.weightOf(id)} -> ${after.weightOf(id)}\n`);
  return (
    `Now:        ${sharesOf(ensemble, sites)}.\n` +
    `Afterwards: ${sharesOf(next, sites)}.\n${changes.join('')}` +
    'Clients notice nothing. Until the change is certain it needs a quorum of both.\n'
  );
}

/**
 * @returns the version of the new members
 * @throws ConfigError with what to do when it is refused
 */
async function reconfigure(
  { environment }: CommandContext,
  survey: Survey,
  next: Ensemble,
  auth: string | null,
): Promise<bigint> {
  const first = leaderOf(survey)?.address;
  const rest = survey.members.flatMap(({ address, answer }) =>
    address !== null && answer.kind === 'answered' && address !== first ? [address] : [],
  );
  const connect = (first === null || first === undefined ? rest : [first])
    .map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
    .join(',');
  const session = RawSession.open({
    connect,
    sessionTimeoutMs: SESSION_MS,
    environment,
    name: 'quorum',
  });
  try {
    if (auth !== null) {
      const colon = auth.indexOf(':');
      if (colon < 1) throw new UsageError('auth: scheme:credentials is expected');
      await session.authenticate(auth.slice(0, colon), Buffer.from(auth.slice(colon + 1)));
    }
    const { data } = await session.call(operations.reconfig, {
      joiningServers: null,
      leavingServers: null,
      newMembers: memberLines(next).join('\n'),
      curConfigId: survey.ensemble.version,
    });
    return parseEnsemble(data?.toString('utf8') ?? '', 'the answer').version;
  } catch (error) {
    if (!(error instanceof ZooKeeperError)) throw error;
    throw new ConfigError(refusals[error.code] ?? `the change was refused: ${error.message}`, {
      cause: error,
    });
  } finally {
    await session.close();
  }
}

const refusals: Readonly<Record<string, string>> = {
  RECONFIG_DISABLED:
    'nothing was changed: the servers do not change members; set reconfigEnabled=true in their zoo.cfg',
  NO_AUTH:
    'nothing was changed: the right to write /zookeeper/config is needed; --auth digest:super:password is one who has it',
  AUTH_FAILED: 'nothing was changed: the servers do not accept what --auth says',
  BAD_VERSION: 'nothing was changed: somebody else changed the members meanwhile; look again',
  NEW_CONFIG_NO_QUORUM:
    'nothing was changed: the servers that are in sync are no quorum of the new members',
  RECONFIG_IN_PROGRESS: 'nothing was changed: another change is under way; try again in a moment',
  CONNECTION_LOSS:
    'the connection broke, and the change may have happened or not: see odradek quorum status',
};

/** Until everybody who answers goes by the new members, and somebody leads. */
async function settled(
  context: CommandContext,
  source: Source,
  version: bigint,
  sites: Sites,
): Promise<number> {
  const { clock, timers } = context.environment;
  const deadline = clock.now() + SETTLE_MS;
  for (;;) {
    const survey = await surveyOf(context, source);
    const late = survey.members.filter(
      ({ answer }) =>
        answer.kind === 'answered' &&
        (answer.status.ensemble === null ||
          parseEnsemble(answer.status.ensemble).version < version),
    );
    const leader = leaderOf(survey);
    if (late.length === 0 && leader !== null && survey.ensemble.version >= version) {
      await context.stdout(
        `Everybody goes by it: ${sharesOf(survey.ensemble, sites)}; server ${leader.server.id} leads.\n`,
      );
      return 0;
    }
    if (clock.now() > deadline) {
      const who = late.map(({ server }) => server.id).join(', ');
      await context.stderr(
        `The change is certain, but after ${SETTLE_MS / 1000} s ${late.length > 0 ? `server ${who} does not go by it` : 'nobody leads'}: see odradek quorum explain\n`,
      );
      return 1;
    }
    await new Promise<void>((resolve) => {
      timers.wakeAt(millis(clock.now() + LOOK_AGAIN_MS), resolve);
    });
  }
}
