/** quorum explain: why there is no leader, put together from what every server that answers sees. */
import { memberLines, parseEnsemble, type QuorumRules } from '@odradek/coord/quorum';
import { parseOptions, renderUsage } from '../../options.ts';
import type { QuorumCommand } from '../quorum.ts';
import { type Member, type Survey, sourceOf, sourceOptions, surveyOf } from './members.ts';
import { leaderOf, presentOf } from './status.ts';
import { table } from './text-table.ts';

const name = 'quorum explain';
const description =
  'quorum explain FILE | --server LIST: why nobody leads, as each server sees it. Exit code 1 when nobody does.';

export const explain: QuorumCommand = {
  usage: renderUsage(description, sourceOptions),
  async run(words, { stdout, ...context }) {
    const { values, rest } = parseOptions(name, sourceOptions, words);
    const survey = await surveyOf({ stdout, ...context }, sourceOf(rest, values));
    const lines = explanationOf(survey);
    await stdout(`${lines.join('\n')}\n`);
    const views = viewsOf(survey);
    if (views.length > 0) await stdout(`\nAs the servers see it:\n${table(views)}`);
    return leaderOf(survey) === null ? 1 : 0;
  },
};

/** Sentences, the most telling first. */
export function explanationOf(survey: Survey): string[] {
  const { members, rules } = survey;
  const leader = leaderOf(survey);
  const lines: string[] = [];
  if (leader !== null) {
    lines.push(`Server ${leader.server.id} leads with ${rules.describe(presentOf(survey))}.`);
  } else {
    const answering = members.filter(({ answer }) => answer.kind === 'answered');
    const ids = answering.map(({ server }) => server.id);
    if (!rules.isQuorum(ids)) {
      lines.push(
        `Nobody leads: of those who answer here ${rules.describe(ids)} are there, and ${rules.requirement} decide.`,
      );
    } else {
      lines.push(
        `Nobody leads, though ${rules.describe(ids)} answer here: they do not reach each other, or vote just now.`,
      );
    }
  }
  const silent = members.filter(({ answer }) => answer.kind === 'silent');
  if (silent.length > 0) {
    lines.push(`Silent: ${silent.map((member) => describeSilent(member, rules)).join('; ')}.`);
  }
  return [...lines, ...differencesOf(survey)];
}

function describeSilent({ server, answer }: Member, rules: QuorumRules): string {
  const votes = rules.weightOf(server.id);
  const reason = answer.kind === 'silent' ? answer.reason : '';
  return `server ${server.id} (${server.role === 'observer' ? 'observer' : `${votes} of the votes`}): ${reason}`;
}

/** Servers that go by other members are the hardest to find by looking at one of them. */
function differencesOf({ members, ensemble }: Survey): string[] {
  const text = JSON.stringify(memberLines(ensemble));
  return members.flatMap(({ server, answer }) => {
    if (answer.kind === 'silent' || answer.status.ensemble === null) return [];
    const theirs = parseEnsemble(answer.status.ensemble);
    if (JSON.stringify(memberLines(theirs)) === text) return [];
    return [
      `Server ${server.id} goes by other members (version ${theirs.version.toString(16)} and not ${ensemble.version.toString(16)}).`,
    ];
  });
}

function viewsOf({ members }: Survey): string[][] {
  return members.flatMap(({ server, answer }) =>
    answer.kind === 'answered' && answer.status.obstacle !== null
      ? [[`server ${server.id}:`, answer.status.obstacle]]
      : [],
  );
}
