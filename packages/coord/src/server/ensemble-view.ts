/**
 * The ensemble as this server sees it at present, for words, pages, metrics, the log and
 * `odradek quorum`.
 */
import type { Millis } from '@odradek/runtime';
import { type Ensemble, parseEnsemble } from '../core/quorum/ensemble.ts';
import { QuorumRules } from '../core/quorum/rules.ts';
import { membersOfNode, versionOf } from '../core/transaction/members.ts';
import { CONFIG_PATH } from '../core/tree/tree.ts';
import type { ReplicaStatus } from '../replica/types.ts';
import type { EnsembleMark } from '../storage/types.ts';
import type { Json } from './admin/pretty-json.ts';
import type { Mode } from './server-info.ts';
import type { ServerState } from './server-state.ts';

/** What is asked whenever somebody looks. */
export interface EnsembleSources {
  status(): ReplicaStatus;
  mark(): Pick<EnsembleMark, 'clusterId' | 'fence' | 'metFence'>;
}

interface Members {
  readonly text: string;
  readonly ensemble: Ensemble;
  readonly rules: QuorumRules;
}

export class EnsembleView {
  readonly serverId: number;
  readonly #sources: EnsembleSources;
  readonly #state: ServerState;
  #members: Members | null = null;

  constructor(serverId: number, state: ServerState, sources: EnsembleSources) {
    this.serverId = serverId;
    this.#state = state;
    this.#sources = sources;
  }

  status(): ReplicaStatus {
    return this.#sources.status();
  }

  get ensemble(): Ensemble {
    return this.#current().ensemble;
  }

  get rules(): QuorumRules {
    return this.#current().rules;
  }

  /** Why nobody leads, as far as it is a lack of votes: `maintenance: 3 of 7 votes`; else null. */
  maintenance(): string | null {
    const { role, presentIds } = this.status();
    if (role !== 'looking' || this.rules.isQuorum(presentIds)) return null;
    return `maintenance: ${this.rules.describe(presentIds)}`;
  }

  /** Whether a take-over went on without this server: what it has may be another history. */
  get isLeftBehind(): boolean {
    const { fence, metFence } = this.#sources.mark();
    return metFence > fence;
  }

  /** The members that this server goes by, when they are newer than what any transaction says. */
  unrecordedMembers(): string | null {
    const { ensembleText } = this.status();
    const recorded = membersOfNode(this.#state.tree.get(CONFIG_PATH));
    const recordedVersion = recorded === null ? 0n : versionOf(recorded);
    return versionOf(ensembleText) > recordedVersion ? ensembleText : null;
  }

  /** What `quor` and the page `quorum` answer. */
  describe(mode: Mode | null, sinceMs: number, now: Millis): Readonly<Record<string, Json>> {
    const status = this.status();
    const { role, serverId, leaderId, acceptedEpoch, currentEpoch, learners } = status;
    const { clusterId, fence, metFence } = this.#sources.mark();
    return {
      serverId,
      role: mode ?? role,
      leaderId,
      acceptedEpoch,
      currentEpoch,
      clusterId,
      fence,
      metFence,
      loggedZxid: hex(status.loggedZxid),
      committedZxid: hex(status.committedZxid),
      appliedZxid: hex(this.#state.appliedZxid),
      ensemble: status.ensembleText,
      presentIds: status.presentIds,
      presentWeight: status.presentWeight,
      totalWeight: status.totalWeight,
      isQuorumPresent: this.rules.isQuorum(status.presentIds),
      obstacle: status.obstacle,
      maintenance: this.maintenance(),
      sinceMs: Math.round(now - sinceMs),
      learners:
        learners?.map(({ serverId: id, isObserver, acknowledgedZxid, heardAtMs }) => ({
          serverId: id,
          isObserver,
          acknowledgedZxid: hex(acknowledgedZxid),
          heardAgoMs: Math.round(now - heardAtMs),
        })) ?? null,
    };
  }

  #current(): Members {
    const { ensembleText: text } = this.status();
    if (this.#members?.text !== text) {
      const ensemble = parseEnsemble(text);
      this.#members = { text, ensemble, rules: new QuorumRules(ensemble) };
    }
    return this.#members;
  }
}

const hex = (zxid: bigint): string => `0x${zxid.toString(16)}`;
