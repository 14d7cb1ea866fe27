/**
 * A forced take-over: the servers of a lost site lose their votes, so that those who are left decide
 * again, and a fence is raised that keeps the lost ones from deciding by their old votes.
 *
 * Every survivor computes the same from what it has, without asking the others: the fence is one
 * more, the epoch from which they go on follows from the fence and is far above any that the lost
 * majority can have reached by itself, and the new members have the first zxid of that epoch as
 * their version.
 */
import { type Ensemble, InvalidEnsemble, participantsOf } from './ensemble.ts';
import { QuorumRules } from './rules.ts';
import { withWeights } from './weight-changes.ts';

/** What the operator's word changes in the mark of a survivor. */
export interface Takeover {
  readonly fence: number;
  readonly acceptedEpoch: number;
  /** The version is the first zxid of `acceptedEpoch`. */
  readonly members: Ensemble;
  readonly survivors: readonly number[];
  /** Of the present votes, what both sides hold. */
  readonly survivorsHold: string;
  readonly lostHold: string;
  /** What it takes from now on, such as `2 of 3 votes`. */
  readonly requirement: string;
}

/** Epochs between one fence and the next: more elections than anybody holds in that time. */
const EPOCHS_PER_FENCE = 65_536;
/** Epochs are 31 bits of a zxid. */
const FENCE_MAX = 2 ** 31 / EPOCHS_PER_FENCE - 1;

/**
 * @param mark of the server at hand
 * @param lost participants that are down for good
 * @throws InvalidEnsemble in one sentence why it cannot be done
 */
export function takeoverOf(
  current: Ensemble,
  mark: { readonly fence: number; readonly acceptedEpoch: number },
  lost: readonly number[],
): Takeover {
  const rules = new QuorumRules(current);
  const stranger = lost.find((id) => !rules.voters.includes(id));
  if (stranger !== undefined) {
    throw new InvalidEnsemble(
      `server ${stranger} is no participant; participants are ${rules.voters.join(', ')}`,
    );
  }
  const survivors = rules.voters.filter((id) => !lost.includes(id));
  if (rules.isQuorum(survivors)) {
    throw new InvalidEnsemble(
      `servers ${survivors.join(', ')} hold ${rules.describe(survivors)} and decide without a take-over (${rules.requirement} are needed): start them`,
    );
  }
  if (rules.weightOfAll(survivors) === 0) {
    throw new InvalidEnsemble(
      survivors.length === 0
        ? 'somebody must be left to go on'
        : `servers ${survivors.join(', ')} have no votes that could decide anything`,
    );
  }
  const fence = mark.fence + 1;
  const acceptedEpoch = fence * EPOCHS_PER_FENCE;
  if (fence > FENCE_MAX || acceptedEpoch <= mark.acceptedEpoch) {
    throw new InvalidEnsemble(
      `epoch ${mark.acceptedEpoch} was promised here already, and take-over ${fence} would go on from ${acceptedEpoch}`,
    );
  }
  const members = {
    ...withWeights(current, new Map(lost.map((id) => [id, 0]))),
    version: BigInt(acceptedEpoch) << 32n,
  };
  return {
    fence,
    acceptedEpoch,
    members,
    survivors,
    survivorsHold: rules.describe(survivors),
    lostHold: rules.describe(
      participantsOf(current)
        .map(({ id }) => id)
        .filter((id) => lost.includes(id)),
    ),
    requirement: new QuorumRules(members).requirement,
  };
}
