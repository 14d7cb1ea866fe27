/**
 * A change of members while the ensemble serves: what a request makes of the present members, and
 * whether it may be done.
 *
 * Servers, roles, ports, weights and groups change in one transaction. From its proposal until it is
 * certain everything needs a quorum of the old members and one of the new (JointRules), so that the
 * set which makes it certain has a server in common with every set that could still decide by the
 * old rules alone, and that server votes for nobody who does not know the change. So there are never
 * two disjoint sets that decide, whatever the weights become. What can be missing is a set that
 * satisfies both: without one among the servers that are in sync, the change is refused.
 *
 * Not here: who may ask (the access list of the config node), and who is in sync (leader.ts).
 */
import { zookeeperErrorCodes as errorCodes } from '@odradek/protocol/zookeeper';
import {
  type Ensemble,
  formatEnsemble,
  InvalidEnsemble,
  memberLines,
  parseEnsemble,
  participantsOf,
} from './ensemble.ts';
import { JointRules, QuorumRules } from './rules.ts';

/** As the client sent it; empty texts are as good as none. */
export interface ReconfigRequest {
  /** Lines to add, or to take the place of those with the same id. */
  readonly joiningServers: string | null;
  /** Ids, separated by commas. */
  readonly leavingServers: string | null;
  /** All lines of the new configuration; goes before the other two. */
  readonly newMembers: string | null;
  /** The version that the change was made for; -1: whichever. */
  readonly curConfigId: bigint;
}

export interface ReconfigContext {
  /** The newest members. */
  readonly current: Ensemble;
  /** A change before this one is not certain yet. */
  readonly isOutstanding: boolean;
  /** An ensemble may shrink to this many participants: 2, or 1 with standaloneEnabled=false. */
  readonly participantsMin: number;
  /** Whether these members could decide now; asked last. */
  refusalOf(ensembleText: string): 'NEW_CONFIG_NO_QUORUM' | 'RECONFIG_IN_PROGRESS' | null;
}

export type ReconfigDecision =
  /** `text`: the members, their version being the zxid of the change. */
  | { readonly kind: 'accepted'; readonly text: string }
  /** `why`: one sentence for the log. */
  | { readonly kind: 'refused'; readonly wire: number; readonly why: string };

/** The checks of the original, in its order. @param zxid of the transaction that the change would be */
export function decideReconfig(
  request: ReconfigRequest,
  context: ReconfigContext,
  zxid: bigint,
): ReconfigDecision {
  const { current, participantsMin } = context;
  if (context.isOutstanding) return refused('RECONFIG_IN_PROGRESS', IN_PROGRESS);
  const { curConfigId } = request;
  if (curConfigId !== -1n && curConfigId !== current.version) {
    return refused(
      'BAD_VERSION',
      `the change is made for version ${curConfigId.toString(16)}, and the members have version ${current.version.toString(16)}`,
    );
  }
  const lines = requestedLines(request, current);
  if (!Array.isArray(lines)) return lines;
  let next: Ensemble;
  try {
    next = { ...parseEnsemble(lines.join('\n'), 'the change'), version: zxid };
  } catch (error) {
    if (!(error instanceof InvalidEnsemble)) throw error;
    return refused('BAD_ARGUMENTS', error.message);
  }
  const count = participantsOf(next).length;
  if (count < participantsMin) {
    return refused(
      'BAD_ARGUMENTS',
      `${count} participants would be left, and there must be at least ${participantsMin}`,
    );
  }
  const text = formatEnsemble(next);
  const refusal = context.refusalOf(text);
  if (refusal === null) return { kind: 'accepted', text };
  return refused(refusal, refusal === 'RECONFIG_IN_PROGRESS' ? IN_PROGRESS : NO_QUORUM);
}

/**
 * Servers, among those available, that decide by the old and by the new members: as few as can be
 * left when the heaviest are tried last.
 * @returns null when all available together do not
 */
export function commonQuorum(
  current: Ensemble,
  next: Ensemble,
  available: Iterable<number>,
): readonly number[] | null {
  const [old, young] = [new QuorumRules(current), new QuorumRules(next)];
  const joint = new JointRules(old, young);
  let quorum = [...new Set(available)];
  if (!joint.isQuorum(quorum)) return null;
  const weight = (id: number): number => old.weightOf(id) + young.weightOf(id);
  for (const id of [...quorum].sort((one, other) => weight(one) - weight(other))) {
    const others = quorum.filter((member) => member !== id);
    if (joint.isQuorum(others)) quorum = others;
  }
  return quorum.sort((one, other) => one - other);
}

const IN_PROGRESS = 'another change of members is not certain yet; ask again in a moment';
const NO_QUORUM =
  'the servers that are in sync are no quorum of the new members; start the new ones first (as observers, or with weight 0) and ask again';

function refused(code: keyof typeof errorCodes, why: string): ReconfigDecision {
  return { kind: 'refused', wire: errorCodes[code], why };
}

/** A text of lines that may also be separated by commas. */
function linesOf(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** All lines of the new members, without a version; or why there are none. */
function requestedLines(request: ReconfigRequest, current: Ensemble): string[] | ReconfigDecision {
  const newMembers = linesOf(request.newMembers ?? '');
  if (newMembers.length > 0) return newMembers.filter((line) => !line.startsWith('version='));
  const joining = linesOf(request.joiningServers ?? '');
  const leaving = linesOf(request.leavingServers ?? '');
  if (joining.length + leaving.length === 0) {
    return refused('BAD_ARGUMENTS', 'the request names nobody who joins or leaves');
  }
  if (current.groups.size > 0) {
    return refused(
      'BAD_ARGUMENTS',
      'with groups a change must name all new members, because it must say who is in which group',
    );
  }
  const notAnId = leaving.find((id) => !/^\d+$/.test(id));
  if (notAnId !== undefined) {
    return refused('MARSHALLING_ERROR', `${JSON.stringify(notAnId)} is not the id of a server`);
  }
  const gone = new Set(leaving.map((id) => `${Number(id)}`));
  const replaced = new Set(joining.map((line) => line.split('=')[0]?.trim() ?? ''));
  const observers = joining.filter((line) => /^server\.\d+=.*:observer\b/i.test(line));
  for (const line of observers) replaced.add(line.split('=')[0]?.replace('server', 'weight') ?? '');
  const kept = memberLines(current).filter((line) => {
    const key = line.slice(0, line.indexOf('='));
    return !replaced.has(key) && !gone.has(key.slice(key.indexOf('.') + 1));
  });
  return [...kept, ...joining];
}
