/**
 * The two ports between servers over the Network port: listeners, the standing ways to the voters'
 * election ports, and the links of learners to their leader.
 *
 * Each server dials every voter's election port and says there what it has to say; on a link that
 * somebody else dialed it listens, and answers only whom it does not dial itself (observers, and
 * servers that want to join). So no two servers ever have to agree on which of two links to keep.
 */
import type { Connection, ConnectionHandler, Environment, Listener } from '@odradek/runtime';
import { ConnectFailed, type Log, OdradekError } from '@odradek/runtime';
import { type Ensemble, parseEnsemble, type ServerAddress } from '../core/quorum/ensemble.ts';
import {
  decodeLearnerMessage,
  decodeLinkMessage,
  decodeNotification,
  encodeLinkMessage,
  encodeNotification,
} from './codec.ts';
import { ElectionLink } from './election-link.ts';
import { PeerUnreachable } from './errors.ts';
import { NOTE_BYTES_MAX, type Purpose } from './frame.ts';
import { type Attached, answer, call, type HandshakeParts } from './handshake.ts';
import { decodeLeaderMessage } from './leader-codec.ts';
import { DEFAULT_PEER_LIMITS, type PeerLimits } from './limits.ts';
import type { PeerConnection } from './peer-connection.ts';
import type { PeerTls } from './peer-tls.ts';
import { RepeatedLog } from './repeated-log.ts';
import {
  isGatheredByLeader,
  isGatheredByLearner,
  ReplicationLink,
  receiving,
  sharedLeaderEncoder,
  toLeader,
} from './replication-link.ts';
import type {
  LeaderMessage,
  LearnerMessage,
  LinkHandler,
  Notification,
  PeerLink,
  PeerNetwork,
  PeerNetworkHandlers,
} from './types.ts';

export interface PeerNetworkOptions {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'network' | 'log'>;
  readonly serverId: number;
  /** The members as configured. */
  readonly ensembleText: string;
  /** A connection and its greeting may take so long (cnxTimeout). */
  readonly connectMs: number;
  /** Not only the addresses of the own server line (quorumListenOnAllIPs). */
  readonly listenOnAllAddresses: boolean;
  /** null: plain. */
  readonly tls: PeerTls | null;
  readonly limits?: Partial<PeerLimits>;
}

interface Members {
  readonly text: string;
  readonly ensemble: Ensemble;
}

const STOPPED = 'the server stops';
const PROBED = encodeLinkMessage({ kind: 'probed' });

export class TcpPeerNetwork implements PeerNetwork {
  readonly #options: PeerNetworkOptions;
  readonly #environment: PeerNetworkOptions['environment'];
  readonly #limits: PeerLimits;
  readonly #events: Log;
  readonly #log: RepeatedLog;
  readonly #encode = sharedLeaderEncoder();
  #tls: PeerTls | null;
  #members: Members;
  #handlers: PeerNetworkHandlers | null = null;
  #listeners: Listener[] = [];
  #listening = '';
  #listenWork: Promise<void> = Promise.resolve();
  /** Ways to the voters, by id. */
  readonly #dialed = new Map<number, ElectionLink>();
  /** Links that others dialed, the newest of each. */
  readonly #callers = new Map<number, PeerConnection>();
  readonly #learners = new Map<number, PeerConnection>();
  /** Links to a leader. */
  readonly #leaders = new Map<PeerConnection, number>();
  #ungreeted = 0;
  #isStopped = false;

  constructor(options: PeerNetworkOptions) {
    this.#options = options;
    this.#environment = options.environment;
    this.#limits = { ...DEFAULT_PEER_LIMITS, ...options.limits };
    this.#events = options.environment.log.child('peers');
    this.#log = new RepeatedLog(
      options.environment.clock,
      this.#events,
      this.#limits.logIntervalMs,
    );
    this.#tls = options.tls;
    this.#members = membersOf(options.ensembleText);
  }

  async start(handlers: PeerNetworkHandlers): Promise<void> {
    this.#handlers = handlers;
    await this.#listen();
    this.#dialVoters();
  }

  reconfigure(ensembleText: string): void {
    if (ensembleText === this.#members.text) return;
    const old = this.#members.ensemble;
    this.#members = membersOf(ensembleText);
    const { servers } = this.#members.ensemble;
    for (const id of old.servers.keys()) {
      if (!servers.has(id)) this.#forget(id);
    }
    if (this.#handlers === null || this.#isStopped) return;
    this.#dialVoters();
    const { key, places } = this.#wantedListeners();
    // Whoever has been removed stays where it is: it may be taken in again.
    if (places.length > 0 && key !== this.#listening) this.#listenAgain();
  }

  notify(serverId: number, notification: Notification): void {
    const dialed = this.#dialed.get(serverId);
    if (dialed !== undefined) dialed.notify(notification);
    else this.#callers.get(serverId)?.send(encodeNotification(notification));
  }

  async connect(
    leaderId: number,
    attach: (link: PeerLink<LearnerMessage>) => LinkHandler<LeaderMessage>,
  ): Promise<void> {
    const addresses = this.#addressesOf(leaderId);
    let failure = new PeerUnreachable(`server ${leaderId} is not one of the members`);
    for (const { host, quorumPort } of addresses) {
      try {
        await this.#connectTo(leaderId, { host, port: quorumPort }, attach);
        return;
      } catch (error) {
        if (!(error instanceof PeerUnreachable)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /**
   * New connections go by these certificates. Nothing changes for links that stand.
   * @throws UnusableTls
   */
  renewTls(tls: PeerTls): void {
    for (const listener of this.#listeners) listener.renewTls?.(tls.server);
    this.#tls = tls;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#listenWork;
    for (const listener of this.#listeners.splice(0)) await listener.close();
    const reason = STOPPED;
    for (const link of this.#dialed.values()) link.stop(reason);
    this.#dialed.clear();
    for (const links of [this.#callers, this.#learners]) {
      for (const link of links.values()) link.close(reason);
      links.clear();
    }
    for (const link of this.#leaders.keys()) link.close(reason);
    this.#leaders.clear();
  }

  get #handshake(): HandshakeParts {
    const { clock, timers } = this.#environment;
    return {
      clock,
      timers,
      limits: this.#limits,
      greetingMs: this.#options.connectMs,
      log: this.#log,
      identity: () => this.#told().identity(),
      members: () => this.#members,
      fenced: (fence, peerId) => this.#told().fenced(fence, peerId),
      verifyCallers: () => this.#tls?.verifyCallers ?? false,
    };
  }

  #told(): PeerNetworkHandlers {
    if (this.#handlers === null) throw new PeerUnreachable('the peer network is not started');
    return this.#handlers;
  }

  #addressesOf(serverId: number): readonly ServerAddress[] {
    return this.#members.ensemble.servers.get(serverId)?.addresses ?? [];
  }

  // --- listening ---

  /** Where to listen, and the same in one word to compare. */
  #wantedListeners(): {
    readonly key: string;
    readonly places: readonly { host: string | null; port: number; purpose: Purpose }[];
  } {
    const { serverId, listenOnAllAddresses } = this.#options;
    const places = new Map<string, { host: string | null; port: number; purpose: Purpose }>();
    for (const { host, quorumPort, electionPort } of this.#addressesOf(serverId)) {
      const place = listenOnAllAddresses ? null : host;
      for (const [port, purpose] of [
        [electionPort, 'election'],
        [quorumPort, 'replication'],
      ] as const) {
        places.set(`${place ?? ''}:${port}`, { host: place, port, purpose });
      }
    }
    return { key: [...places.keys()].sort().join(' '), places: [...places.values()] };
  }

  async #listen(): Promise<void> {
    const { key, places } = this.#wantedListeners();
    const { network } = this.#environment;
    const tls = this.#tls === null ? {} : { tls: this.#tls.server };
    const listeners: Listener[] = [];
    try {
      for (const { host, port, purpose } of places) {
        const accept = (connection: Connection): ConnectionHandler =>
          this.#accepted(connection, purpose);
        listeners.push(await network.listen({ host, port, ...tls }, accept));
      }
    } catch (error) {
      for (const listener of listeners) await listener.close();
      throw error;
    }
    this.#listeners = listeners;
    this.#listening = key;
  }

  /** After our own address has changed. Links that stand stay. */
  #listenAgain(): void {
    this.#listenWork = this.#listenWork.then(async () => {
      if (this.#isStopped) return;
      const old = this.#listeners.splice(0);
      for (const listener of old) await listener.close();
      try {
        await this.#listen();
        this.#events.info('listening for servers at new addresses', { at: this.#listening });
      } catch (error) {
        if (!(error instanceof OdradekError)) throw error;
        this.#events.error(
          'cannot listen for servers at the new address; others cannot reach this one',
          {
            error,
          },
        );
      }
    });
  }

  #accepted(connection: Connection, purpose: Purpose): ConnectionHandler {
    if (this.#isStopped || this.#ungreeted >= this.#limits.ungreetedMax) {
      this.#log.warn('a connection to the ports between servers was cut', {
        purpose,
        reason: `more than ${this.#limits.ungreetedMax} have not greeted yet`,
      });
      connection.destroy();
      return { data() {}, close() {} };
    }
    this.#ungreeted += 1;
    const over = (): void => {
      this.#ungreeted -= 1;
    };
    const greeted =
      purpose === 'election'
        ? (link: PeerConnection, id: number) => this.#called(link, id)
        : (link: PeerConnection, id: number) => this.#asked(link, id);
    return answer(this.#handshake, purpose, connection, greeted, over);
  }

  /** Somebody dialed our election port. */
  #called(link: PeerConnection, callerId: number): Attached {
    if (this.#isStopped) return turnedAway(link);
    this.#callers.get(callerId)?.close('a newer connection takes its place');
    this.#callers.set(callerId, link);
    // It is there: no need to wait for the next attempt.
    this.#dialed.get(callerId)?.dial();
    return {
      payloadBytesMax: NOTE_BYTES_MAX,
      handler: {
        payload: (payload) => {
          const message = decodeLinkMessage(payload);
          if (message === null) this.#told().notified(callerId, decodeNotification(payload));
          else if (message.kind === 'probe') link.send(PROBED);
        },
        closed: () => {
          if (this.#callers.get(callerId) === link) this.#callers.delete(callerId);
        },
      },
    };
  }

  /** Somebody dialed our replication port. */
  #asked(connection: PeerConnection, learnerId: number): Attached {
    if (this.#isStopped) return turnedAway(connection);
    this.#learners.get(learnerId)?.giveWay('a newer connection of the same server takes its place');
    const link = new ReplicationLink<LeaderMessage>(
      learnerId,
      connection,
      this.#encode,
      isGatheredByLeader,
    );
    const handler = this.#told().learner(link);
    if (handler === null) {
      link.send({ kind: 'refused', reason: 'this server does not lead' });
      connection.close('this server does not lead');
    } else {
      this.#learners.set(learnerId, connection);
    }
    return receiving(decodeLearnerMessage, {
      message: (message) => handler?.message(message),
      closed: (reason) => {
        if (this.#learners.get(learnerId) === connection) this.#learners.delete(learnerId);
        handler?.closed(reason);
      },
    });
  }

  // --- dialing ---

  #dialVoters(): void {
    const { servers } = this.#members.ensemble;
    for (const { id, role } of servers.values()) {
      if (id === this.#options.serverId || role !== 'participant' || this.#dialed.has(id)) continue;
      const link = this.#electionLinkTo(id);
      this.#dialed.set(id, link);
      link.dial();
    }
  }

  #electionLinkTo(peerId: number): ElectionLink {
    const { clock, timers } = this.#environment;
    const handlers = this.#told();
    let attempt = 0;
    return new ElectionLink({
      clock,
      timers,
      limits: this.#limits,
      peerId,
      dial: (outcome) => {
        const addresses = this.#addressesOf(peerId);
        const address = addresses[attempt % Math.max(addresses.length, 1)];
        attempt += 1;
        if (address === undefined) {
          outcome.failed();
          return;
        }
        const place = { host: address.host, port: address.electionPort };
        const timeoutMs = Math.min(this.#options.connectMs, this.#limits.electionConnectMs);
        this.#dial('election', peerId, place, timeoutMs, outcome);
      },
      reachable: (isReachable, reason) => {
        if (isReachable) this.#events.info('a server can be reached', { peer: peerId });
        else if (reason !== null) this.#log.warn('a server was lost', { peer: peerId, reason });
        handlers.reachable(peerId, isReachable);
      },
      notified: (notification) => handlers.notified(peerId, notification),
    });
  }

  #connectTo(
    leaderId: number,
    place: { readonly host: string; readonly port: number },
    attach: (link: PeerLink<LearnerMessage>) => LinkHandler<LeaderMessage>,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#dial('replication', leaderId, place, this.#options.connectMs, {
        answered: (connection) => {
          if (this.#isStopped) {
            reject(new PeerUnreachable(STOPPED));
            return turnedAway(connection);
          }
          const handler = attach(
            new ReplicationLink(leaderId, connection, toLeader, isGatheredByLearner),
          );
          for (const link of this.#leaders.keys()) if (link.isOver) this.#leaders.delete(link);
          this.#leaders.set(connection, leaderId);
          resolve();
          return receiving(decodeLeaderMessage, {
            message: (message) => handler.message(message),
            closed: (reason) => {
              this.#leaders.delete(connection);
              handler.closed(reason);
            },
          });
        },
        failed: reject,
      });
    });
  }

  #dial(
    purpose: Purpose,
    peerId: number,
    place: { readonly host: string; readonly port: number },
    timeoutMs: number,
    outcome: {
      answered(link: PeerConnection): Attached;
      failed(error: PeerUnreachable): void;
    },
  ): void {
    const named = {
      answered: outcome.answered,
      failed: (error: PeerUnreachable): void => {
        const reason = `server ${peerId} (${place.host}:${place.port}): ${error.message}`;
        this.#log.warn('no link to a server', { purpose, reason });
        outcome.failed(error);
      },
    };
    this.#connection({ ...place, timeoutMs }, (connection) =>
      call({ ...this.#handshake, greetingMs: timeoutMs }, purpose, peerId, connection, named),
    ).catch((error: unknown) => {
      if (!(error instanceof OdradekError)) throw error;
      named.failed(new PeerUnreachable(error.message, { cause: error }));
    });
  }

  /** With TLS where it is wanted; while servers move to TLS, without where it does not come about. */
  async #connection(
    place: { readonly host: string; readonly port: number; readonly timeoutMs: number },
    attach: (connection: Connection) => ConnectionHandler,
  ): Promise<void> {
    const { network } = this.#environment;
    const tls = this.#tls;
    if (tls === null) {
      await network.connect(place, attach);
      return;
    }
    try {
      await network.connect({ ...place, tls: tls.client }, attach);
    } catch (error) {
      if (!(error instanceof ConnectFailed) || !tls.server.alsoPlain) throw error;
      await network.connect(place, attach).catch((plainError: unknown) => {
        throw plainError instanceof ConnectFailed ? error : plainError;
      });
    }
  }

  /** It is a member no more. */
  #forget(id: number): void {
    const reason = 'it is not one of the members any more';
    this.#dialed.get(id)?.stop(reason);
    this.#dialed.delete(id);
    this.#callers.get(id)?.close(reason);
    this.#callers.delete(id);
    this.#learners.get(id)?.giveUp(reason);
    for (const [link, leaderId] of this.#leaders) if (leaderId === id) link.giveUp(reason);
  }
}

const membersOf = (text: string): Members => ({ text, ensemble: parseEnsemble(text) });

/** For links that come about while the server stops. */
function turnedAway(link: PeerConnection): Attached {
  link.close(STOPPED);
  return { payloadBytesMax: 0, handler: { payload() {}, closed() {} } };
}
