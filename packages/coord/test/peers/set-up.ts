/** Servers with nothing but their peer networks, and what happens on them, noted down. */
import {
  type Environment,
  type Log,
  type LogFields,
  type Network,
  nodeEnvironment,
  silentLog,
} from '@odradek/runtime';
import type { PeerLimits } from '../../src/peers/limits.ts';
import { TcpPeerNetwork } from '../../src/peers/peer-network.ts';
import type { PeerTls } from '../../src/peers/peer-tls.ts';
import type {
  LeaderMessage,
  LearnerMessage,
  LinkHandler,
  Notification,
  PeerIdentity,
  PeerLink,
} from '../../src/peers/types.ts';

const { clock, timers } = nodeEnvironment();

/** Far more turns than anything here takes. */
const TURNS_MAX = 20_000;

/** Resolves once `holds`. */
export async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn === TURNS_MAX) throw new Error(`never came about: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export interface ServerOptions {
  readonly text: string;
  readonly identity?: Partial<PeerIdentity>;
  readonly tls?: PeerTls | null;
  readonly limits?: Partial<PeerLimits>;
  readonly leads?: boolean;
}

/** What came over one link. */
export class Inbox<In, Out> implements LinkHandler<In> {
  readonly messages: In[] = [];
  readonly closings: string[] = [];
  readonly link: PeerLink<Out>;

  constructor(link: PeerLink<Out>) {
    this.link = link;
  }

  message(message: In): void {
    this.messages.push(message);
  }

  closed(reason: string): void {
    this.closings.push(reason);
  }
}

export class Server {
  readonly id: number;
  readonly network: TcpPeerNetwork;
  readonly lines: string[] = [];
  readonly notes: { readonly from: number; readonly note: Notification }[] = [];
  readonly reachable: [id: number, isReachable: boolean][] = [];
  readonly fences: number[] = [];
  readonly learners: Inbox<LearnerMessage, LeaderMessage>[] = [];
  readonly identity: PeerIdentity;
  readonly #leads: boolean;

  constructor(network: Network, id: number, options: ServerOptions) {
    const { text, identity, tls = null, limits = {}, leads = true } = options;
    this.id = id;
    this.#leads = leads;
    this.identity = { serverId: id, clusterId: null, fence: 0, ...identity };
    const note = (message: string, fields: LogFields = {}): void => {
      this.lines.push(`${message} ${Object.values(fields).join(' ')}`);
    };
    const log: Log = { ...silentLog, info: note, warn: note, error: note, child: () => log };
    const environment: Pick<Environment, 'clock' | 'timers' | 'network' | 'log'> = {
      clock,
      timers,
      network,
      log,
    };
    this.network = new TcpPeerNetwork({
      environment,
      serverId: id,
      ensembleText: text,
      connectMs: 3_000,
      listenOnAllAddresses: false,
      tls,
      limits: { redialMsMin: 2, redialMsMax: 20, probeMs: 20, ...limits },
    });
  }

  start(): Promise<void> {
    return this.network.start({
      identity: () => this.identity,
      notified: (from, note) => this.notes.push({ from, note }),
      reachable: (id, isReachable) => this.reachable.push([id, isReachable]),
      fenced: (fence) => this.fences.push(fence),
      learner: (link) => {
        if (!this.#leads) return null;
        const inbox = new Inbox<LearnerMessage, LeaderMessage>(link);
        this.learners.push(inbox);
        return inbox;
      },
    });
  }

  async follow(leaderId: number): Promise<Inbox<LeaderMessage, LearnerMessage>> {
    const inboxes: Inbox<LeaderMessage, LearnerMessage>[] = [];
    await this.network.connect(leaderId, (link) => {
      const inbox = new Inbox<LeaderMessage, LearnerMessage>(link);
      inboxes.push(inbox);
      return inbox;
    });
    const [inbox] = inboxes;
    if (inbox === undefined) throw new Error('connected without a link');
    return inbox;
  }

  reaches(id: number): boolean {
    return this.reachable.findLast(([peer]) => peer === id)?.[1] ?? false;
  }
}

export const note = (round: number): Notification => ({
  state: 'looking',
  round,
  vote: { leaderId: 1, epoch: 2, zxid: 0x2_0000_0003n },
  isNew: false,
  ensembleVersion: 0n,
});
