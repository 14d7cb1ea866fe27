/**
 * Who is the controller: stands for election on /controller, holds the term while it is ours, and
 * knows the id of whoever was elected.
 *
 * Being elected is creating the ephemeral /controller and raising /controller_epoch in one change.
 * Office is lost with the session, by somebody removing /controller, or when a write finds a newer
 * epoch; every time the znode is looked at again, and the vacancy stood for.
 */
import type { SessionEvent, Watcher } from '@odradek/client';
import { type Disarm, type Environment, millis } from '@odradek/runtime';
import { type Coordination, hasCode, persist } from '../metadata/coordination.ts';
import { paths } from '../metadata/znode-paths.ts';
import {
  decodeController,
  decodeControllerEpoch,
  encodeController,
  FEATURE_NODE,
} from '../metadata/znodes.ts';
import { ControllerMoved } from './controller-store.ts';
import { TermHost, type TermOptions } from './term-host.ts';

/** Pause after a term that failed, so that a lasting trouble is not met in a tight circle. */
const REELECTION_BACKOFF_MS = 1_000;

export interface ControllerHostOptions
  extends Omit<TermOptions, 'epoch' | 'epochVersion' | 'onLost'> {
  readonly session: Coordination;
  readonly environment: Environment;
}

export class ControllerHost {
  readonly #options: ControllerHostOptions;
  readonly #session: Coordination;
  readonly #watcher: Watcher = ({ kind }) => {
    if (kind !== 'session') this.#look();
  };
  readonly #listeners = new Set<(controllerId: number | null) => void>();
  #term: TermHost | null = null;
  #controllerId: number | null = null;
  #isStanding = false;
  /** Looks at /controller happen one after the other; a wish during one is kept. */
  #isLooking = false;
  #looksAgain = false;
  #forgetSession: (() => void) | null = null;
  #disarm: Disarm | null = null;

  constructor(options: ControllerHostOptions) {
    this.#options = options;
    this.#session = options.session;
  }

  /** The term, while this broker is the controller. */
  get term(): TermHost | null {
    return this.#term;
  }

  /** The controller as far as known; null while there is none. */
  get controllerId(): number | null {
    return this.#controllerId;
  }

  /** Called when another broker, or none, becomes controller. */
  onController(listener: (controllerId: number | null) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Begins to stand for election; the broker must be registered. */
  start(): void {
    if (this.#isStanding) return;
    this.#isStanding = true;
    this.#forgetSession = this.#session.onEvent((event) => this.#sessionEvent(event));
    this.#look();
  }

  /** Gives office back, so that another broker is elected at once. */
  async stop(): Promise<void> {
    if (!this.#isStanding) return;
    this.#isStanding = false;
    this.#forgetSession?.();
    this.#disarm?.();
    const term = this.#term;
    this.#leave();
    if (term !== null) await this.#vacate(term);
  }

  /** After a new session was made and the broker registered in it: stands again. */
  rejoin(): void {
    if (this.#isStanding) this.#look();
  }

  #sessionEvent(event: SessionEvent): void {
    // The ephemeral node went with the session: whoever is elected now must not meet us in office.
    if (event.kind === 'expired' || event.kind === 'closed') {
      this.#leave();
      this.#known(null);
    }
  }

  #look(): void {
    if (!this.#isStanding) return;
    if (this.#isLooking) {
      this.#looksAgain = true;
      return;
    }
    this.#isLooking = true;
    this.#standForElection().then(
      () => this.#looked(),
      (error: unknown) => {
        this.#options.environment.log.error('standing for election failed', {
          reason: String(error),
        });
        this.#looked();
        this.#lookLater();
      },
    );
  }

  #looked(): void {
    this.#isLooking = false;
    if (!this.#looksAgain) return;
    this.#looksAgain = false;
    this.#look();
  }

  #lookLater(): void {
    const { clock, timers } = this.#options.environment;
    this.#disarm?.();
    this.#disarm = timers.wakeAt(millis(clock.now() + REELECTION_BACKOFF_MS), () => this.#look());
  }

  async #standForElection(): Promise<void> {
    if (await this.#readIncumbent()) return;
    this.#leave();
    this.#known(null);
    const { epoch, version } = await this.#readEpoch();
    if (!this.#isStanding) return;
    if (await this.#run(epoch + 1, version)) await this.#takeOffice(epoch + 1, version + 1);
    else if (!(await this.#readIncumbent())) this.#looksAgain = true;
  }

  /** Reads /controller and sets the watch on it; false when the office is vacant. */
  async #readIncumbent(): Promise<boolean> {
    const node = await this.#session.get(paths.controller, this.#watcher);
    if (node === null) return false;
    const controllerId = decodeController(node.data);
    const isOurs = node.stat.ephemeralOwner === this.#session.sessionId;
    if (!isOurs || this.#term === null) {
      this.#leave();
      // A node of our session without a term: that of an election whose answer never came.
      if (isOurs) {
        await this.#adoptOffice();
        return true;
      }
    }
    this.#known(controllerId);
    return true;
  }

  async #adoptOffice(): Promise<void> {
    const { epoch, version } = await this.#readEpoch();
    await this.#takeOffice(epoch, version);
  }

  async #readEpoch(): Promise<{ epoch: number; version: number }> {
    for (;;) {
      const node = await this.#session.get(paths.controllerEpoch);
      if (node !== null)
        return { epoch: decodeControllerEpoch(node.data), version: node.stat.version };
      try {
        await persist(this.#session, () => this.#session.create(paths.controllerEpoch, '0'));
      } catch (error) {
        if (!hasCode(error, 'NODE_EXISTS')) throw error;
      }
    }
  }

  /** One attempt to be elected. */
  async #run(epoch: number, version: number): Promise<boolean> {
    const { brokerId, environment } = this.#options;
    const data = encodeController(brokerId, environment.clock.wallTime());
    try {
      await this.#session.multi([
        { kind: 'create', path: paths.controller, data, ephemeral: true },
        { kind: 'set', path: paths.controllerEpoch, data: String(epoch), version },
      ]);
      return true;
    } catch (error) {
      // After a broken connection the node itself tells how it went.
      if (hasCode(error, 'NODE_EXISTS', 'BAD_VERSION', 'CONNECTION_LOSS')) return false;
      throw error;
    }
  }

  async #takeOffice(epoch: number, epochVersion: number): Promise<void> {
    const { brokerId, environment } = this.#options;
    await this.#createFeatureNode();
    // The watch is set while reading; if the node is gone meanwhile, this looks again.
    const incumbent = await this.#session.get(paths.controller, this.#watcher);
    if (incumbent?.stat.ephemeralOwner !== this.#session.sessionId || !this.#isStanding) {
      this.#looksAgain = this.#isStanding;
      return;
    }
    environment.log.info('elected as controller', { brokerId, epoch });
    const term = new TermHost({
      ...this.#options,
      epoch,
      epochVersion,
      onLost: (reason) => this.#termFailed(term, reason),
    });
    this.#term = term;
    this.#known(brokerId);
    term.start();
  }

  async #createFeatureNode(): Promise<void> {
    try {
      await persist(this.#session, () => this.#session.create(paths.feature, FEATURE_NODE));
    } catch (error) {
      if (!hasCode(error, 'NODE_EXISTS')) throw error;
    }
  }

  #termFailed(term: TermHost, reason: Error): void {
    if (this.#term === term) this.#term = null;
    const { log } = this.#options.environment;
    if (reason instanceof ControllerMoved) {
      log.warn('another broker became controller', { epoch: term.epoch });
      this.#look();
      return;
    }
    log.error('the controller failed and gives its office back', {
      epoch: term.epoch,
      reason: reason.message,
    });
    this.#vacate(term).then(
      () => this.#lookLater(),
      () => this.#lookLater(),
    );
  }

  /** Removes /controller, unless a newer controller has created it. */
  async #vacate(term: TermHost): Promise<void> {
    const { log } = this.#options.environment;
    if (this.#session.state !== 'connected') return; // Then the node goes with the session.
    try {
      await this.#session.multi([
        { kind: 'check', path: paths.controllerEpoch, version: term.epochVersion },
        { kind: 'remove', path: paths.controller },
      ]);
    } catch (error) {
      log.debug('the controller node was not removed', { reason: String(error) });
    }
  }

  #leave(): void {
    const term = this.#term;
    this.#term = null;
    term?.resign();
  }

  #known(controllerId: number | null): void {
    if (controllerId === this.#controllerId) return;
    this.#controllerId = controllerId;
    for (const listener of this.#listeners) listener(controllerId);
  }
}
