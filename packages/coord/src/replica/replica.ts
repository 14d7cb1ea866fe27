/**
 * One server's part in an ensemble: looks for a leader, leads or learns, and looks again when that
 * ends. What is decided is decided in core/quorum; what is replicated belongs to the server above.
 */
import { type Deliver, drive, type Environment, millis, OdradekError } from '@odradek/runtime';
import {
  type ElectionEffect,
  type ElectionInput,
  ElectionMachine,
  FINALIZE_MS,
} from '../core/quorum/election.ts';
import { type Ensemble, parseEnsemble } from '../core/quorum/ensemble.ts';
import { presentIn } from '../core/quorum/obstacle.ts';
import type {
  LeaderMessage,
  LearnerMessage,
  LinkHandler,
  Notification,
  PeerLink,
  PeerNetwork,
} from '../peers/types.ts';
import type { ReplicatedStorage } from '../storage/types.ts';
import { LeaderHost } from './leader-host.ts';
import { LearnerHost } from './learner-host.ts';
import { DEFAULT_LIMITS, type ReplicaLimits } from './limits.ts';
import { MarkKeeper } from './mark-keeper.ts';
import { Members } from './members.ts';
import { ParkedLinks } from './parked-links.ts';
import { ReplicatedLog } from './replicated-log.ts';
import type {
  LeaderLink,
  Leadership,
  ReplicaStatus,
  ReplicatedState,
  Role,
  RoleListener,
} from './types.ts';

export interface ReplicaConfig {
  readonly serverId: number;
  /** As the configuration file says; what is stored may know better. */
  readonly ensemble: Ensemble;
  readonly tickMs: number;
  /** Ticks for each step until a leader or a learner is in step. */
  readonly initLimit: number;
  /** Ticks of silence or lag that are allowed from then on. */
  readonly syncLimit: number;
  /** An empty disk has its vote at once. Risks acknowledged writes when a disk was lost. */
  readonly trustsEmptyDisk?: boolean;
  /** Without news an election's notes are said again after this time, twice as long each time. */
  readonly notificationMs?: number;
  readonly notificationMsMax?: number;
  readonly limits?: Partial<ReplicaLimits>;
}

export interface ReplicaParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'random' | 'log'>;
  readonly storage: ReplicatedStorage;
  readonly network: PeerNetwork;
  readonly state: ReplicatedState;
  readonly listener: RoleListener;
  readonly config: ReplicaConfig;
  /** The disk failed, and this server has left the ensemble for good. Told once. */
  onFailure?(error: OdradekError): void;
  /** This leader brings a learner in line: `diff`, `truncate` or `snapshot`. */
  onFeed?(how: string): void;
}

/** Intervals of the original (fastleader.*NotificationInterval). */
const NOTIFICATION_MS = 200;
const NOTIFICATION_MS_MAX = 60_000;
/** Whoever could not take up a role waits before the next one, twice as long each time. */
const RETRY_MS = 10;
const RETRY_MS_MAX = 1_000;

export class Replica {
  readonly #parts: ReplicaParts;
  readonly #limits: ReplicaLimits;
  readonly #members: Members;
  readonly #marks: MarkKeeper;
  readonly #log: ReplicatedLog;
  readonly #election: ElectionMachine;
  readonly #elect: Deliver<ElectionInput>;
  readonly #parked: ParkedLinks;
  /** Servers to whose election port the way stands. */
  readonly #reachable = new Set<number>();
  #leader: LeaderHost | null = null;
  #learner: LearnerHost | null = null;
  /** Clients may be served. */
  #role: Role = 'looking';
  /** Rises with each decision and each loss: what was begun before is of no interest any more. */
  #turn = 0;
  /** Roles in a row that ended before anybody was served. */
  #failures = 0;
  #needsSnapshot = false;
  #failure: OdradekError | null = null;
  #isStopped = false;

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
    const { config, storage, state, environment } = parts;
    this.#limits = { ...DEFAULT_LIMITS, ...config.limits };
    this.#parked = new ParkedLinks(environment);
    this.#marks = new MarkKeeper(storage, config.trustsEmptyDisk ?? false);
    const forced = this.#marks.mark.forcedMembers;
    const given = forced === null ? [] : [parseEnsemble(forced, 'the members of the take-over')];
    this.#members = new Members(config.serverId, [config.ensemble, ...given]);
    this.#log = new ReplicatedLog({
      storage,
      state,
      members: this.#members,
      recentBytes: this.#limits.recentBytes,
      failed: (error) => this.failed(error),
      membersChanged: () => this.#membersChanged(),
    });
    this.#election = new ElectionMachine({
      serverId: config.serverId,
      current: config.ensemble,
      pending: null,
      notificationMs: config.notificationMs ?? NOTIFICATION_MS,
      notificationMsMax: config.notificationMsMax ?? NOTIFICATION_MS_MAX,
      finalizeMs: FINALIZE_MS,
    });
    this.#elect = drive(this.#election, environment, (effect) => this.#performElection(effect));
  }

  /**
   * Loads what is stored, listens on this server's ports and looks for a leader.
   * @throws AddressInUse, StorageDamaged, DiskError, InvalidEnsemble when what is stored names no ensemble
   */
  async start(): Promise<void> {
    const { network } = this.#parts;
    await this.#log.reload();
    if (this.#marks.isFenced) {
      this.#parts.environment.log.error(this.#fencedWords());
      return;
    }
    await network.start({
      identity: () => {
        const { fence, metFence } = this.#marks.mark;
        const { serverId } = this.#parts.config;
        return { serverId, clusterId: this.#marks.name, fence: Math.max(fence, metFence) };
      },
      fenced: (fence, peerId) => this.#fenced(fence, peerId),
      notified: (from, notification) => this.#notified(from, notification),
      reachable: (serverId, isReachable) => this.#reached(serverId, isReachable),
      learner: (link) => this.#learnerCame(link),
    });
    const { text, ensemble } = this.#members.certain;
    if (ensemble.version > 0n) network.reconfigure(text);
    this.#look();
  }

  /** Gives up its role, and what it has promised is on the disk. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#endRole('this server is being stopped');
    await this.#parts.network.stop();
    await this.#log.whenIdle();
  }

  /** The disk failed: this server leaves the ensemble, for nothing it says can be relied on. */
  failed(error: unknown): void {
    if (!(error instanceof OdradekError)) throw error;
    if (this.#failure !== null || this.#isStopped) return;
    this.#failure = error;
    this.#parts.environment.log.error('the disk failed; this server leaves the ensemble', {
      error,
    });
    this.#endRole('its disk failed');
    this.#parts.network.stop().catch((reason: unknown) => {
      this.#parts.environment.log.warn('the ports between servers could not be closed', {
        error: reason instanceof Error ? reason : null,
      });
    });
    this.#parts.onFailure?.(error);
  }

  /** Whether this server has a say. */
  #isPart(): boolean {
    return !this.#isStopped && this.#failure === null && !this.#marks.isFenced;
  }

  /** Somebody has seen a take-over that this server was no part of. */
  #fenced(fence: number, peerId: number): void {
    if (fence <= this.#marks.mark.metFence) return;
    this.#marks.save({ metFence: fence }).then(
      () => {
        this.#parts.environment.log.error(this.#fencedWords(), { server: peerId });
        this.#endRole('the operator has taken over without this server');
      },
      (error) => this.failed(error),
    );
  }

  #fencedWords(): string {
    const { fence, metFence } = this.#marks.mark;
    return (
      `the operator has taken over without this server (fence ${metFence}, ours ${fence}): ` +
      'move its data directory away, keep it, and start it again empty'
    );
  }

  status(): ReplicaStatus {
    const { config } = this.#parts;
    const { mark } = this.#marks;
    const { rules } = this.#members.certain;
    const presentIds = this.#presentIds();
    return {
      role: this.#role,
      serverId: config.serverId,
      leaderId: this.#leaderId(),
      acceptedEpoch: mark.acceptedEpoch,
      currentEpoch: mark.currentEpoch,
      loggedZxid: this.#log.loggedZxid,
      committedZxid: this.#log.committedZxid,
      ensembleText: this.#members.certain.text,
      presentIds,
      presentWeight: rules.weightOfAll(presentIds),
      totalWeight: rules.totalWeight,
      obstacle: this.#obstacle(),
      learners: this.#role === 'leading' ? (this.#leader?.learners() ?? null) : null,
    };
  }

  // Elections

  #look(): void {
    if (!this.#isPart()) return;
    this.#tellElectionMembers();
    const { serverId } = this.#parts.config;
    const vote = {
      leaderId: serverId,
      epoch: this.#marks.mark.currentEpoch,
      zxid: this.#log.loggedZxid,
    };
    // The vote of whoever weighs nothing is for others, and does not show that its own log is empty.
    const isBlank = vote.zxid === 0n && this.#members.newest.rules.weightOf(serverId) === 0;
    this.#elect({ kind: 'look', vote, isNew: this.#marks.isNew || isBlank });
  }

  #performElection(effect: ElectionEffect): void {
    switch (effect.kind) {
      case 'notify':
        if (this.#isPart()) this.#parts.network.notify(effect.to, effect.notification);
        break;
      case 'decided':
        this.#decided(effect.vote.leaderId, effect.isFirst);
        break;
    }
  }

  #decided(leaderId: number, isFirst: boolean): void {
    this.#turn += 1;
    const turn = this.#turn;
    const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (this.#failures - 1));
    const take = (): void => {
      // What an earlier role does to the log comes to its end first.
      void this.#log.whenIdle().then(() => {
        if (turn === this.#turn) this.#takeRole(leaderId, isFirst);
      });
    };
    const { clock, timers } = this.#parts.environment;
    if (this.#failures === 0) take();
    else timers.wakeAt(millis(clock.now() + waitMs), take);
  }

  #takeRole(leaderId: number, isFirst: boolean): void {
    if (!this.#isPart()) return;
    const { serverId } = this.#parts.config;
    this.#parts.environment.log.info(
      leaderId === serverId ? 'this server is to lead' : 'a leader was found',
      { leader: leaderId, epoch: this.#marks.mark.currentEpoch },
    );
    if (leaderId === serverId) this.#lead(isFirst);
    else this.#learn(leaderId);
  }

  #notified(from: number, notification: Notification): void {
    if (this.#members.heardOf(notification.ensembleVersion)) this.#membersChanged();
    this.#elect({ kind: 'heard', from, notification });
    if (this.#leader === null || this.#leader.isEstablished) return;
    if (notification.vote.leaderId !== this.#parts.config.serverId) this.#leader.contradicted(from);
  }

  #reached(serverId: number, isReachable: boolean): void {
    if (isReachable) this.#reachable.add(serverId);
    else this.#reachable.delete(serverId);
    this.#elect({ kind: 'reachable', serverId, isReachable });
  }

  #learnerCame(link: PeerLink<LeaderMessage>): LinkHandler<LearnerMessage> | null {
    if (!this.#isPart()) return null;
    if (this.#leader !== null) return this.#leader.accept(link);
    return this.#learner === null ? this.#parked.park(link) : null;
  }

  // Roles

  #lead(isFirst: boolean): void {
    const { config, environment, state } = this.#parts;
    const { serverId, tickMs, initLimit, syncLimit } = config;
    const turn = this.#turn;
    const leader = new LeaderHost({
      serverId,
      isFirst,
      clock: environment.clock,
      timers: environment.timers,
      random: environment.random,
      events: environment.log,
      log: this.#log,
      state,
      members: this.#members,
      marks: this.#marks,
      limits: this.#limits,
      tickMs,
      initLimit,
      syncLimit,
      established: (leadership) => this.#leading(leadership),
      fed: (how) => this.#parts.onFeed?.(how),
      over: (reason) => this.#over(turn, reason),
      failed: (error) => this.failed(error),
    });
    this.#leader = leader;
    leader.begin();
    this.#parked.handOver((link) => leader.accept(link));
  }

  #learn(leaderId: number): void {
    const { config, environment, network, storage } = this.#parts;
    const { tickMs, initLimit, syncLimit } = config;
    const turn = this.#turn;
    this.#parked.refuseAll(`server ${config.serverId} does not lead`);
    const learner = new LearnerHost({
      leaderId,
      isObserver: this.#isObserver(),
      needsSnapshot: this.#needsSnapshot,
      clock: environment.clock,
      timers: environment.timers,
      events: environment.log,
      network,
      log: this.#log,
      disk: storage.log,
      members: this.#members,
      marks: this.#marks,
      limits: this.#limits,
      tickMs,
      initLimit,
      syncLimit,
      following: (link) => this.#following(link),
      over: (reason, needsSnapshot) => {
        this.#needsSnapshot = needsSnapshot;
        this.#over(turn, reason);
      },
      failed: (error) => this.failed(error),
      adopted: () => this.#membersChanged(),
    });
    this.#learner = learner;
    learner.begin();
  }

  #leading(leadership: Leadership): void {
    this.#serve('leading', this.#parts.config.serverId, leadership.epoch);
    this.#parts.listener.leading(leadership);
  }

  #following(link: LeaderLink): void {
    this.#needsSnapshot = false;
    this.#serve(link.isObserver ? 'observing' : 'following', link.leaderId, link.epoch);
    this.#parts.listener.following(link);
  }

  #serve(role: Exclude<Role, 'looking'>, leaderId: number, epoch: number): void {
    this.#role = role;
    this.#failures = 0;
    const vote = { leaderId, epoch, zxid: this.#log.loggedZxid };
    this.#elect({ kind: 'settled', role, vote, isNew: this.#marks.isNew });
    this.#parts.environment.log.info(role, { leader: leaderId, epoch });
  }

  #endRole(reason: string): void {
    this.#leader?.stepDown(reason);
    this.#learner?.stop(reason);
    this.#parked.refuseAll(reason);
    if (this.#isPart()) return;
    // It looks for nobody any more.
    const vote = { leaderId: this.#parts.config.serverId, epoch: 0, zxid: 0n };
    this.#elect({ kind: 'settled', role: 'observing', vote, isNew: true });
  }

  /** A role came to its end by itself. */
  #over(turn: number, reason: string): void {
    if (turn !== this.#turn) return;
    this.#turn += 1;
    this.#leader = null;
    this.#learner = null;
    this.#parts.environment.log.info('looking for a leader', { reason });
    if (this.#role === 'looking') this.#failures += 1;
    else {
      this.#role = 'looking';
      this.#parts.listener.looking(reason);
    }
    // What is being promised is on the disk before the next candidacy, which tells of it.
    const lookAgain = this.#turn;
    void this.#marks.whenIdle().then(() => {
      if (lookAgain === this.#turn) this.#look();
    });
  }

  // Members

  #membersChanged(): void {
    const { listener, network, environment } = this.#parts;
    const { text } = this.#members.certain;
    environment.log.info('the members have changed', { members: text.replaceAll('\n', ' ') });
    this.#tellElectionMembers();
    // Those who are none any more hear of it before their links are closed.
    environment.timers.afterTurn(() => {
      if (this.#isPart()) network.reconfigure(text);
    });
    listener.reconfigured(text);
    const learner = this.#learner;
    if (learner !== null && learner.isObserver !== this.#isObserver()) {
      learner.stop('this server has another part in the ensemble now');
    }
  }

  #tellElectionMembers(): void {
    const current = this.#members.certain.ensemble;
    const pending = this.#members.next?.ensemble ?? null;
    this.#elect({ kind: 'reconfigured', current, pending });
  }

  #isObserver(): boolean {
    const { serverId } = this.#parts.config;
    return !this.#members.certain.rules.voters.includes(serverId);
  }

  // Words

  #leaderId(): number | null {
    switch (this.#role) {
      case 'looking':
        return null;
      case 'leading':
        return this.#parts.config.serverId;
      case 'following':
      case 'observing':
        return this.#learner?.leaderId ?? null;
    }
  }

  #presentIds(): readonly number[] {
    const { serverId } = this.#parts.config;
    if (this.#leader === null && this.#learner === null) return presentIn(this.#election.view);
    const others =
      this.#leader === null
        ? this.#reachable
        : this.#leader.learners().map((learner) => learner.serverId);
    const present = new Set([serverId, ...others]);
    if (this.#learner !== null) present.add(this.#learner.leaderId);
    const { servers } = this.#members.certain.ensemble;
    return [...servers.keys()].filter((id) => present.has(id));
  }

  #obstacle(): string | null {
    if (this.#failure !== null) return `the disk failed: ${this.#failure.message}`;
    if (this.#isStopped) return 'this server is stopped';
    if (this.#marks.isFenced) return this.#fencedWords();
    if (this.#role !== 'looking') return null;
    if (this.#leader !== null) return `this server is to lead, and is ${this.#leader.phase}`;
    const learner = this.#learner;
    if (learner !== null)
      return `server ${learner.leaderId} is to lead; this one is ${learner.phase}`;
    return this.#election.obstacle ?? 'this server has not begun to look for a leader';
  }
}
