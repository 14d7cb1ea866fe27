/**
 * What a server does in each role: alone, leading, following or observing, and with nobody to lead it.
 *
 * A role is a stint of its own: what is outstanding, who waits, which sessions are judged here and where
 * writes go begin with it and end with it, and so do the connections of its clients. Tree, sessions,
 * watches and ports stay. Who takes which role is decided elsewhere (../replica/).
 */
import { type Disarm, type Environment, millis } from '@odradek/runtime';
import { epochOf } from '../core/transaction/number-spaces.ts';
import {
  type MembershipRules,
  type PrepareOptions,
  Preparer,
} from '../core/transaction/prepare.ts';
import type { WatchTable } from '../core/watch/watch-table.ts';
import type {
  LeaderLink,
  Leadership,
  ReplicaStatus,
  Role,
  RoleListener,
} from '../replica/types.ts';
import type { ClientConnection } from './client-connection.ts';
import { LearnerMessages, readLeaderMessage } from './ensemble-messages.ts';
import { ForwardedWrites } from './forwarded-writes.ts';
import { LearnerRequests } from './learner-requests.ts';
import { LearnerSessions } from './learner-sessions.ts';
import { READ_ONLY_AFTER_MS_MIN } from './limits.ts';
import type { CoordinatorObserver } from './observer.ts';
import { ReadOnlySessions } from './read-only-sessions.ts';
import { Reads } from './reads.ts';
import { type ReaperOptions, startReaper } from './reaper-host.ts';
import type { Mode } from './server-info.ts';
import type { ServerState } from './server-state.ts';
import type { ServerStats } from './server-stats.ts';
import type { Doorway } from './serving.ts';
import { SessionHost } from './session-host.ts';
import { type LocalSessionOptions, LocalSessions, SessionIds, type Sessions } from './sessions.ts';
import { type Replication, WritePath, type Writes } from './write-path.ts';

export interface RoleOptions extends Omit<PrepareOptions, 'membership' | 'notices'> {
  readonly serverId: number;
  readonly tickMs: number;
  readonly localSessions: LocalSessionOptions;
  readonly reaper: ReaperOptions;
  /** Whether what is there is shown while nobody leads. */
  readonly readOnlyMode: boolean;
}

export interface RoleParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'random' | 'log'>;
  readonly options: RoleOptions;
  readonly state: ServerState;
  readonly watches: WatchTable<ClientConnection>;
  readonly doorway: Doorway;
  readonly stats: ServerStats;
  readonly notices: PrepareOptions['notices'];
  readonly observer: CoordinatorObserver | null;
  /** A session is no more. */
  sessionEnded(sessionId: bigint): void;
  /** Ends the connections of all who were served. */
  dropClients(reason: string): void;
}

/** What an ensemble's server has besides. */
export interface EnsembleParts {
  status(): ReplicaStatus;
  /** @param leadership that would have to carry the change */
  membership(leadership: Leadership): MembershipRules;
  /** Members whose version is above that of the config node: no transaction knows them; null: one does. */
  unrecordedMembers(): string | null;
  /** A take-over went on without this server: what it has may be another history, and is not shown. */
  isLeftBehind(): boolean;
  /** Why nobody leads, as far as it is a lack of votes: `maintenance: 3 of 7 votes`; else null. */
  maintenance(): string | null;
  /** These are the members from now on. */
  reconfigured(ensembleText: string): void;
}

/** The server itself may do everything it asks for. */
const ownRequester = { sessionId: 0n, identities: [] };

/** Requests of one millisecond of the start, so that none of an earlier start has the same number. */
const REQUEST_IDS_PER_MS = 1_000;

interface Stay {
  readonly mode: Mode;
  readonly writes: Writes;
  readonly sessions: Sessions;
  /** Proposed or told, and not taken yet. */
  unreplicatedBytes(): number;
  end(): void;
}

export class Roles implements RoleListener {
  readonly #parts: RoleParts;
  readonly #ids: SessionIds;
  #ensemble: EnsembleParts | null = null;
  #stay: Stay | null = null;
  #lastRequestId: number;
  /** Monotonic: since when the present state of affairs lasts. */
  #sinceMs: number;
  /** The same, whatever was shown meanwhile. */
  #withoutLeaderSinceMs: number;
  #disarmLook: Disarm | null = null;
  #isLoading = false;
  #isStopped = false;
  /** What the log said last about the lack of votes. */
  #toldMaintenance: string | null = null;

  constructor(parts: RoleParts) {
    this.#parts = parts;
    const { environment, options, state } = parts;
    const { clock } = environment;
    this.#ids = new SessionIds(state.sessions, options.serverId, clock.wallTime());
    this.#lastRequestId = clock.wallTime() * REQUEST_IDS_PER_MS;
    this.#sinceMs = clock.now();
    this.#withoutLeaderSinceMs = this.#sinceMs;
  }

  /** null: nobody is served. */
  get mode(): Mode | null {
    return this.#stay?.mode ?? null;
  }

  get sinceMs(): number {
    return this.#sinceMs;
  }

  get sessions(): Sessions | null {
    return this.#stay?.sessions ?? null;
  }

  /** Writes of this server's clients that are on their way. */
  get pendingCount(): number {
    return this.#stay?.writes.pendingCount ?? 0;
  }

  /** Bytes on their way to other servers that nobody has confirmed. */
  get unreplicatedBytes(): number {
    return this.#stay?.unreplicatedBytes() ?? 0;
  }

  /** Serves with nobody else. */
  alone(replication: Replication): void {
    const { appliedZxid } = this.#parts.state;
    const { writes, sessions } = this.#decide(replication, appliedZxid, null, false);
    const stopReaper = this.#reap(writes);
    this.#begin('standalone', { writes, sessions, unreplicatedBytes: () => 0, end: stopReaper });
  }

  /** To be called once: from now on this server looks for a leader. */
  beginLooking(ensemble: EnsembleParts): void {
    this.#ensemble = ensemble;
    this.#sinceMs = this.#parts.environment.clock.now();
    this.#armLook();
  }

  leading(leadership: Leadership): void {
    const { environment, stats } = this.#parts;
    this.#endStay('this server leads from now on');
    const replication: Replication = {
      propose: (record, zxid, _committed, origin, ensembleText) => {
        if (epochOf(zxid) !== leadership.epoch) {
          leadership.stepDown('the counter of zxids is full: the next epoch goes on');
        } else {
          leadership.propose({ zxid, record, origin, ensembleText });
        }
      },
      confirm: (confirmed) => leadership.confirm(confirmed),
    };
    const membership = this.#ensemble?.membership(leadership) ?? null;
    const { writes, sessions } = this.#decide(replication, leadership.lastZxid, membership, true);
    leadership.listen(new LearnerRequests({ leadership, writes, sessions, log: environment.log }));
    const stopReaper = this.#reap(writes);
    stats.resetProposals();
    this.#begin('leader', {
      writes,
      sessions,
      unreplicatedBytes: () => leadership.outstandingBytes,
      end: stopReaper,
    });
    this.#told('leading', leadership.epoch);
    const text = this.#ensemble?.unrecordedMembers() ?? null;
    if (text !== null) writes.submit({ kind: 'adoptMembers', text }, ownRequester, null);
  }

  following(link: LeaderLink): void {
    const { environment, options, state, stats, sessionEnded } = this.#parts;
    this.#endStay('this server has a leader from now on');
    const { serverId, tickMs, localSessions } = options;
    const messages = new LearnerMessages((bytes) => link.tell(bytes));
    const local = new LocalSessions(state.sessions, localSessions);
    const writes = new ForwardedWrites({
      link,
      messages,
      serverId,
      nextRequestId: () => {
        this.#lastRequestId += 1;
        return this.#lastRequestId;
      },
      isLocal: (sessionId) => local.has(sessionId),
    });
    const sessions = new LearnerSessions({
      environment,
      sessions: state.sessions,
      tickMs,
      stats,
      ids: this.#ids,
      local,
      messages,
      writes,
      ended: sessionEnded,
    });
    link.listen((bytes) =>
      readLeaderMessage(bytes, {
        renewed: (ticket, isAlive) => sessions.renewed(ticket, isAlive),
      }),
    );
    const { learner_proposal_received_count: proposals, learner_commit_received_count: commits } =
      stats.meters;
    state.stint = {
      expected: (entry) => writes.expected(entry),
      reached() {
        proposals.add();
        commits.add();
      },
      settled: (record) => sessions.applied(record),
    };
    const mode = link.isObserver ? 'observer' : 'follower';
    this.#begin(mode, { writes, sessions, unreplicatedBytes: () => link.unsentBytes, end() {} });
    this.#told(link.isObserver ? 'observing' : 'following', link.epoch);
  }

  looking(reason: string): void {
    const { environment, stats } = this.#parts;
    const { mode } = this;
    this.#endStay(reason);
    environment.log.info('no leader: clients are not served', { was: mode, reason });
    stats.meters.looking_count.add();
    this.#told('looking', 0);
    this.#armLook();
  }

  reconfigured(ensembleText: string): void {
    this.#parts.state.showMembers(ensembleText);
    this.#ensemble?.reconfigured(ensembleText);
  }

  /** Everything is loaded anew: nobody may see it before it is whole. */
  loading(): void {
    this.#isLoading = true;
    this.#endStay('the data is loaded anew');
  }

  loaded(): void {
    this.#isLoading = false;
    if (this.#stay === null && this.#ensemble !== null) this.#armLook();
  }

  /** Nothing is judged, reaped or opened any more. */
  stop(): void {
    this.#isStopped = true;
    this.#disarmLook?.();
    this.#stay?.end();
    this.#stay?.sessions.stop();
  }

  #decide(
    replication: Replication,
    lastZxid: bigint,
    membership: MembershipRules | null,
    hasOthers: boolean,
  ): { readonly writes: WritePath; readonly sessions: SessionHost } {
    const { environment, options, state, stats, notices, sessionEnded } = this.#parts;
    const { tree } = state;
    const preparer = new Preparer(tree, state.sessions, { ...options, membership, notices });
    const { serverId, tickMs } = options;
    const sessions = new SessionHost({
      environment,
      sessions: state.sessions,
      preparer,
      tickMs,
      serverId,
      stats,
      ids: this.#ids,
      local: new LocalSessions(state.sessions, options.localSessions),
      ended: sessionEnded,
      writes: () => writes,
    });
    const writes: WritePath = new WritePath({
      state,
      preparer,
      replication,
      clock: environment.clock,
      stats,
      serverId,
      lastZxid,
      owners: hasOthers ? sessions : null,
    });
    state.stint = {
      expected: (entry) => writes.expected(entry),
      reached: (record) => writes.reached(record),
      settled: (record) => sessions.applied(record),
    };
    sessions.resumeAll();
    return { writes, sessions };
  }

  #reap(writes: WritePath): Disarm {
    const { environment, options, state } = this.#parts;
    return startReaper(state.tree, options.reaper, environment, (request) =>
      writes.submit(request, ownRequester, null),
    );
  }

  #begin(mode: Mode, stay: Omit<Stay, 'mode'>): void {
    const { environment, state, watches, options, doorway, stats } = this.#parts;
    const isReadOnly = mode === 'read-only';
    this.#disarmLook?.();
    this.#disarmLook = null;
    this.#stay = { ...stay, mode };
    const now = environment.clock.now();
    if (mode !== 'standalone' && !isReadOnly) {
      stats.meters.election_time.observe(now - this.#withoutLeaderSinceMs);
    }
    this.#sinceMs = now;
    const { skipAcl } = options;
    // What was loaded meanwhile may not have them.
    if (this.#ensemble !== null) state.showMembers(this.#ensemble.status().ensembleText);
    const reads = new Reads({ tree: state.tree, watches, skipAcl });
    const { writes, sessions } = stay;
    if (!isReadOnly && this.#toldMaintenance !== null) {
      this.#toldMaintenance = null;
      environment.log.info('the maintenance is over: there are votes enough');
    }
    if (mode !== 'standalone') {
      environment.log.info('serving clients', { mode, zxid: hex(state.appliedZxid) });
    }
    doorway.open({ isReadOnly, reads, writes, sessions });
  }

  #endStay(reason: string): void {
    const { environment, state, doorway, dropClients } = this.#parts;
    const stay = this.#stay;
    if (stay === null) return;
    this.#stay = null;
    this.#sinceMs = environment.clock.now();
    if (stay.mode !== 'read-only') this.#withoutLeaderSinceMs = this.#sinceMs;
    state.stint = null;
    doorway.close();
    stay.end();
    stay.sessions.stop();
    dropClients(reason);
  }

  /** Looks once a tick whether it is time to say that votes are missing, or to show what there is. */
  #armLook(): void {
    const { clock, timers } = this.#parts.environment;
    const { tickMs } = this.#parts.options;
    this.#disarmLook?.();
    const firstMs = this.#sinceMs + Math.max(READ_ONLY_AFTER_MS_MIN, tickMs);
    const atMs = Math.max(firstMs, clock.now() + Math.min(tickMs, READ_ONLY_AFTER_MS_MIN) / 2);
    this.#disarmLook = timers.wakeAt(millis(atMs), () => this.#look());
  }

  #look(): void {
    if (this.#isStopped || (this.#stay !== null && this.#stay.mode !== 'read-only')) return;
    this.#armLook();
    const { environment, options } = this.#parts;
    const maintenance = this.#ensemble?.maintenance() ?? null;
    const obstacle = this.#ensemble?.status().obstacle ?? '';
    if (maintenance !== null && maintenance !== this.#toldMaintenance) {
      this.#toldMaintenance = maintenance;
      environment.log.warn(maintenance, { obstacle });
    }
    if (this.#ensemble?.isLeftBehind()) this.#endStay(obstacle);
    else if (options.readOnlyMode && this.#stay === null && !this.#isLoading) this.#showOnly();
  }

  /** Nobody leads: what is there is shown to those who are content with that. */
  #showOnly(): void {
    const { environment, options, state } = this.#parts;
    const sessions = new ReadOnlySessions({
      environment,
      sessions: state.sessions,
      tickMs: options.tickMs,
      ids: this.#ids,
    });
    this.#begin('read-only', { writes: nowhere, sessions, unreplicatedBytes: () => 0, end() {} });
    this.#armLook();
  }

  #told(role: Role, epoch: number): void {
    this.#parts.observer?.role(role, epoch);
  }
}

/** While nobody leads nothing is written; connections refuse it before it comes here. */
const nowhere: Writes = { wantsBytes: false, pendingCount: 0, submit() {}, confirm() {} };

const hex = (zxid: bigint): string => `0x${zxid.toString(16)}`;
