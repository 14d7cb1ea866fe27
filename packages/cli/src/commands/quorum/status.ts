/** quorum status: who leads, epochs, zxids, how far everybody is behind, and which votes are present. */
import type { CommandContext } from '../../context.ts';
import { hex, jsonOf } from '../../coord-offline.ts';
import { parseOptions, renderUsage } from '../../options.ts';
import type { QuorumCommand } from '../quorum.ts';
import { type Member, type Survey, sourceOf, sourceOptions, surveyOf } from './members.ts';
import { table } from './text-table.ts';

const name = 'quorum status';
const description =
  'quorum status FILE | --server LIST: who leads, epochs, zxids, lag and votes present. Exit code 1 when nobody leads.';
const options = {
  ...sourceOptions,
  json: { kind: 'flag', about: 'What every server answered, as JSON on one line.' },
} as const;

export const status: QuorumCommand = {
  usage: renderUsage(description, options),
  async run(words, context) {
    const { values, rest } = parseOptions(name, options, words);
    const survey = await surveyOf(context, sourceOf(rest, values));
    if (values.json) {
      const servers = survey.members.map(({ server, address, answer }) => ({
        serverId: server.id,
        address,
        ...(answer.kind === 'answered' ? { status: answer.status } : { silent: answer.reason }),
      }));
      await context.stdout(
        `${jsonOf({ leaderId: leaderOf(survey)?.server.id ?? null, servers })}\n`,
      );
    } else {
      await print(context, survey);
    }
    return leaderOf(survey) === null ? 1 : 0;
  },
};

/** Who says that it leads; of several, who has the greatest epoch. */
export function leaderOf({ members }: Survey): Member | null {
  const leaders = members.filter(({ answer }) => roleOf(answer) === 'leader');
  const epoch = ({ answer }: Member): number =>
    answer.kind === 'answered' ? (answer.status.currentEpoch ?? 0) : 0;
  return leaders.sort((one, other) => epoch(other) - epoch(one))[0] ?? null;
}

/** Participants that lead or follow: the votes that are at work. */
export function presentOf({ members }: Survey): readonly number[] {
  return members
    .filter(({ answer }) => ['leader', 'follower'].includes(roleOf(answer) ?? ''))
    .map(({ server }) => server.id);
}

export const roleOf = (answer: Member['answer']): string | null =>
  answer.kind === 'answered' ? answer.status.role : null;

async function print({ stdout }: CommandContext, survey: Survey): Promise<void> {
  const { members, rules, ensemble } = survey;
  const leader = leaderOf(survey);
  const leaderZxid = leader?.answer.kind === 'answered' ? leader.answer.status.committedZxid : null;
  const header = ['server', 'votes', 'role', 'epoch', 'zxid', 'behind', 'client address'];
  const rows = members.map((member) => rowOf(member, survey, leaderZxid));
  await stdout(table([header, ...rows]));
  const present = presentOf(survey);
  const who = leader === null ? 'Nobody leads' : `Server ${leader.server.id} leads`;
  await stdout(
    `\n${who}; ${rules.describe(present)} are present, ${rules.requirement} decide; ` +
      `members have version ${ensemble.version.toString(16)}.\n`,
  );
  if (leader === null) await stdout('Why: odradek quorum explain\n');
}

function rowOf(
  { server, address, answer }: Member,
  { rules }: Survey,
  leaderZxid: bigint | null,
): string[] {
  const votes = server.role === 'observer' ? 'observer' : `${rules.weightOf(server.id)}`;
  const where = address === null ? '' : `${address.host}:${address.port}`;
  if (answer.kind === 'silent') return [`${server.id}`, votes, answer.reason, '', '', '', where];
  const { role, currentEpoch, appliedZxid } = answer.status;
  return [
    `${server.id}`,
    votes,
    role,
    `${currentEpoch ?? ''}`,
    appliedZxid === null ? '' : hex(appliedZxid),
    lagOf(appliedZxid, leaderZxid),
    where,
  ];
}

/** Transactions, where both are of one epoch; counters of different epochs cannot be subtracted. */
function lagOf(zxid: bigint | null, leaderZxid: bigint | null): string {
  if (zxid === null || leaderZxid === null) return '';
  if (zxid >= leaderZxid) return '0';
  return zxid >> 32n === leaderZxid >> 32n ? `${leaderZxid - zxid}` : 'older epoch';
}
