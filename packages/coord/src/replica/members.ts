/**
 * Who the members are, as this server knows it: those that are certain, and those that a transaction
 * in our log makes the next ones. While there are such, whatever needs a quorum needs one of both.
 */
import { type Ensemble, formatEnsemble, parseEnsemble } from '../core/quorum/ensemble.ts';
import type { MemberChange } from '../core/quorum/leader-events.ts';
import { QuorumRules } from '../core/quorum/rules.ts';
import type { LoadedMembers } from './types.ts';

/** One set of members with what follows from it. */
export interface MemberSet {
  readonly ensemble: Ensemble;
  readonly text: string;
  readonly rules: QuorumRules;
}

export function memberSet(ensemble: Ensemble): MemberSet {
  return { ensemble, text: formatEnsemble(ensemble), rules: new QuorumRules(ensemble) };
}

export class Members {
  readonly #serverId: number;
  /** What holds as long as the log says nothing newer: the file's, or what an operator forced. */
  readonly #given: readonly MemberSet[];
  #certain: MemberSet;
  #next: { readonly zxid: bigint; readonly members: MemberSet } | null = null;

  /** @param given not empty; the greatest version counts */
  constructor(serverId: number, given: readonly Ensemble[]) {
    this.#serverId = serverId;
    this.#given = given.map(memberSet);
    this.#certain = this.#newest([]);
  }

  get certain(): MemberSet {
    return this.#certain;
  }

  /** Logged here and not known to be committed. */
  get next(): MemberSet | null {
    return this.#next?.members ?? null;
  }

  /** The newest that this server has heard of, certain or not. */
  get newest(): MemberSet {
    return this.#next?.members ?? this.#certain;
  }

  /** @throws InvalidEnsemble */
  loaded({ ensembleText, ensembleTextBefore }: LoadedMembers): void {
    const found = ensembleText === null ? null : memberSet(parseEnsemble(ensembleText));
    const before =
      ensembleTextBefore === null ? found : memberSet(parseEnsemble(ensembleTextBefore));
    this.#certain = this.#newest(before === null ? [] : [before]);
    this.#next = null;
    if (found === null || found.ensemble.version <= this.#certain.ensemble.version) return;
    this.#next = { zxid: found.ensemble.version, members: found };
  }

  /**
   * A change of members was logged.
   * @throws InvalidEnsemble
   */
  logged(zxid: bigint, ensembleText: string): void {
    this.#next = { zxid, members: memberSet(parseEnsemble(ensembleText)) };
  }

  /** The log was cut after `zxid`. */
  cut(zxid: bigint): void {
    if (this.#next !== null && this.#next.zxid > zxid) this.#next = null;
  }

  /** @returns whether the next ones became certain with it */
  committed(zxid: bigint): boolean {
    const next = this.#next;
    if (next === null || next.zxid > zxid) return false;
    this.#next = null;
    this.#certain = next.members;
    return true;
  }

  /**
   * Somebody goes by members of this version as certain ones. Of later ones nothing follows: what is in
   * our log may have been given up for them.
   * @returns whether the next ones are certain with it
   */
  heardOf(version: bigint): boolean {
    return this.#next?.zxid === version && this.committed(version);
  }

  /**
   * What an established leader goes by, to a server that knows nothing but its own file.
   * @returns whether it is something else
   * @throws InvalidEnsemble
   */
  adopt(ensembleText: string): boolean {
    if (ensembleText === this.newest.text || this.newest.ensemble.version > 0n) return false;
    this.#certain = memberSet(parseEnsemble(ensembleText));
    return true;
  }

  /** The change that is in the log, as a leader needs it. */
  change(): MemberChange | null {
    const next = this.#next;
    return next === null ? null : this.changeTo(next.zxid, next.members);
  }

  changeTo(zxid: bigint, { ensemble, rules }: MemberSet): MemberChange {
    const address = (members: Ensemble): string | undefined => {
      const first = members.servers.get(this.#serverId)?.addresses[0];
      return first === undefined ? undefined : `${first.host}:${first.quorumPort}`;
    };
    const isHere = address(ensemble) === address(this.#certain.ensemble);
    return { zxid, rules, keepsLeader: isHere && rules.mayLead(this.#serverId) };
  }

  #newest(found: readonly MemberSet[]): MemberSet {
    // Of equal versions the file's counts: without changes online, members change there.
    const [first, ...others] = [...this.#given, ...found];
    if (first === undefined) throw new RangeError('no members are given');
    return others.reduce(
      (best, other) => (other.ensemble.version > best.ensemble.version ? other : best),
      first,
    );
  }
}
