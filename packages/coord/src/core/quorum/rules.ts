/**
 * Weighted quorums: which sets of servers decide for an ensemble.
 *
 * Participants sit in disjoint groups (all in one when none are given) and carry weights. A group is
 * won with more than half of its weight; a set decides when it wins more than half of the groups
 * that have any weight. So any two deciding sets share a server that weighs something. Observers
 * and servers of weight 0 change nothing.
 *
 * Asked once for every acknowledgement: all is computed beforehand, and asking allocates nothing.
 */
import { type Ensemble, participantsOf, SERVER_ID_MAX, weightIn } from './ensemble.ts';

/** Whoever can say whether servers decide. */
export interface Decider {
  /** @param ids may repeat, and may name strangers: neither counts */
  isQuorum(ids: Iterable<number>): boolean;
}

interface Group {
  /** null: the only one, which was not given. */
  readonly id: number | null;
  readonly members: readonly number[];
  readonly weight: number;
}

export class QuorumRules implements Decider {
  /** Ids of participants, those of weight 0 included, rising. */
  readonly voters: readonly number[];
  readonly totalWeight: number;
  /** Groups that have weight; the order is that of `#sums`. */
  readonly #groups: readonly Group[];
  readonly #weights = new Int32Array(SERVER_ID_MAX + 1);
  /** Index into `#groups`; -1 for whoever does not count. */
  readonly #groupOf = new Int32Array(SERVER_ID_MAX + 1).fill(-1);
  readonly #sums: Float64Array;
  /** In which call an id was counted last: a set may name a server twice. */
  readonly #countedIn = new Float64Array(SERVER_ID_MAX + 1);
  #call = 0;

  constructor(ensemble: Ensemble) {
    this.voters = participantsOf(ensemble).map(({ id }) => id);
    for (const id of this.voters) this.#weights[id] = weightIn(ensemble, id);
    const given: (readonly [number | null, readonly number[]])[] =
      ensemble.groups.size > 0 ? [...ensemble.groups] : [[null, this.voters]];
    this.#groups = given
      .map(([id, members]) => ({ id, members, weight: this.weightOfAll(members) }))
      .filter(({ weight }) => weight > 0);
    this.totalWeight = this.weightOfAll(this.voters);
    this.#sums = new Float64Array(this.#groups.length);
    this.#groups.forEach(({ members }, index) => {
      for (const id of members) this.#groupOf[id] = index;
    });
  }

  isQuorum(ids: Iterable<number>): boolean {
    const sums = this.#sums;
    sums.fill(0);
    this.#call++;
    for (const id of ids) {
      const group = this.#groupOf[id] ?? -1;
      if (group < 0 || this.#countedIn[id] === this.#call) continue;
      this.#countedIn[id] = this.#call;
      sums[group] = (sums[group] ?? 0) + (this.#weights[id] ?? 0);
    }
    let won = 0;
    for (let group = 0; group < sums.length; group++) {
      if ((sums[group] ?? 0) * 2 > (this.#groups[group]?.weight ?? 0)) won++;
    }
    return won * 2 > this.#groups.length;
  }

  /** 0 for observers and strangers. */
  weightOf(id: number): number {
    return this.#weights[id] ?? 0;
  }

  /** @param ids each once */
  weightOfAll(ids: Iterable<number>): number {
    let sum = 0;
    for (const id of ids) sum += this.weightOf(id);
    return sum;
  }

  /** A server without weight never leads. */
  mayLead(id: number): boolean {
    return this.weightOf(id) > 0;
  }

  /** Whether these servers hold as much as would keep everybody else from deciding. */
  isBlocking(ids: Iterable<number>): boolean {
    const taken = new Set(ids);
    return !this.isQuorum(this.voters.filter((id) => !taken.has(id)));
  }

  /**
   * What these servers are to the whole, for people: `3 of 7 votes`, or with groups
   * `1 of 3 groups (group 1: 2 of 3 votes, group 2: 0 of 3, group 3: 1 of 3)`.
   * @param ids each once
   */
  describe(ids: Iterable<number>): string {
    const present = new Set(ids);
    const shares = this.#groups.map(({ id, members, weight }) => {
      const share = this.weightOfAll(members.filter((member) => present.has(member)));
      return { id, share, weight };
    });
    const [only] = shares;
    if (only === undefined) return '0 of 0 votes';
    if (shares.length === 1) return `${only.share} of ${only.weight} votes`;
    const won = shares.filter(({ share, weight }) => share * 2 > weight).length;
    const parts = shares.map(
      ({ id, share, weight }, index) =>
        `group ${id}: ${share} of ${weight}${index === 0 ? ' votes' : ''}`,
    );
    return `${won} of ${shares.length} groups (${parts.join(', ')})`;
  }

  /** What it takes, for people: `4 of 7 votes`, `2 of 3 groups`. */
  get requirement(): string {
    const [only] = this.#groups;
    if (only === undefined) return 'no votes at all';
    if (this.#groups.length > 1) {
      return `${majorityOf(this.#groups.length)} of ${this.#groups.length} groups`;
    }
    return `${majorityOf(only.weight)} of ${only.weight} votes`;
  }
}

/** While members change: a set decides when it does by the old rules and by the new ones. */
export class JointRules implements Decider {
  readonly #all: readonly Decider[];

  constructor(...all: readonly Decider[]) {
    this.#all = all;
  }

  /** @param ids not an iterator that can be read only once */
  isQuorum(ids: Iterable<number>): boolean {
    return this.#all.every((rules) => rules.isQuorum(ids));
  }
}

const majorityOf = (total: number): number => Math.floor(total / 2) + 1;
