/**
 * A world that follows from its seed: hosts with disks and clocks of their own, a network between them,
 * one time for all. Real programs run in it, through the same ports as outside, and nothing else drives
 * them: the same seed gives the same run, to the last byte.
 *
 * Not here: what goes wrong (../nemesis/), what runs (../ensemble/), who judges it (../checkers/).
 */
import { nodeEnvironment, silentLog } from '@odradek/runtime';
import { SimulatedNetwork } from '../network/simulated-network.ts';
import { Draw } from './draw.ts';
import { SimulatedHost } from './host.ts';
import { Scheduler } from './scheduler.ts';
import { Trace } from './trace.ts';

/** How this world is; drawn from the seed where it is not given. */
export interface WorldOptions {
  /** Clocks run up to this much too fast or too slow: 0.0005 is half a millisecond in a second. */
  readonly driftMax: number;
  /** Wall clocks are up to this much wrong at the beginning. */
  readonly skewMsMax: number;
  /** Packets are received at multiples of this. */
  readonly coalesceUs: number;
  /** Timers come up to this much late. */
  readonly timerLagUs: number;
  /** How long a connection lives whose bytes do not arrive. */
  readonly tcpGiveUpMs: number;
}

const MICROS = 1_000;

export class SimulatedWorld {
  readonly seed: string;
  readonly options: WorldOptions;
  readonly scheduler: Scheduler;
  readonly network: SimulatedNetwork;
  readonly trace: Trace;
  readonly hosts: SimulatedHost[] = [];
  readonly #draw: Draw;

  /** @param isRead whether the trace keeps lines for a reader */
  constructor(seed: string | number, options: Partial<WorldOptions> = {}, isRead = false) {
    this.seed = String(seed);
    this.#draw = new Draw(`${this.seed}/world`);
    this.options = { ...drawnOptions(this.#draw), ...options };
    this.scheduler = new Scheduler(nodeEnvironment({ log: silentLog }).timers);
    this.trace = new Trace(isRead, () => this.scheduler.nowUs);
    const { coalesceUs, tcpGiveUpMs } = this.options;
    this.network = new SimulatedNetwork(
      {
        scheduler: this.scheduler,
        trace: this.trace,
        draw: new Draw(`${this.seed}/network`),
        coalesceUs,
        giveUpUs: tcpGiveUpMs * MICROS,
      },
      this.seed,
    );
  }

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.scheduler.nowUs / MICROS;
  }

  /** @param name also what others connect to */
  addHost(name: string): SimulatedHost {
    const { driftMax, skewMsMax, timerLagUs } = this.options;
    const draw = new Draw(`${this.seed}/clock ${name}`);
    const host = new SimulatedHost(
      { scheduler: this.scheduler, network: this.network, trace: this.trace, seed: this.seed },
      name,
      this.hosts.length,
      {
        drift: (draw.fraction() * 2 - 1) * driftMax,
        skewMs: Math.round((draw.fraction() * 2 - 1) * skewMsMax),
        timerLagUs,
      },
    );
    this.hosts.push(host);
    return host;
  }

  /** Something to be done from outside. */
  after(ms: number, run: () => void): void {
    this.scheduler.at(this.scheduler.nowUs + ms * MICROS, run);
  }

  /** Lets virtual time pass. */
  async runFor(ms: number): Promise<void> {
    let isOver = false;
    this.after(ms, () => {
      isOver = true;
    });
    await this.scheduler.run(() => isOver);
  }

  /**
   * Lets virtual time pass until something holds.
   * @returns whether it came to hold within `msMax`
   */
  async runUntil(holds: () => boolean, msMax: number): Promise<boolean> {
    let isLate = false;
    this.after(msMax, () => {
      isLate = true;
    });
    await this.scheduler.run(() => isLate || holds());
    return holds();
  }
}

function drawnOptions(draw: Draw): WorldOptions {
  return {
    driftMax: draw.oneOf([0, 0.000_1, 0.001]),
    skewMsMax: draw.oneOf([0, 50, 60_000]),
    coalesceUs: draw.oneOf([1, 50, 250, 1_000]),
    timerLagUs: draw.oneOf([1, 200, 2_000]),
    tcpGiveUpMs: draw.oneOf([20_000, 60_000, 900_000]),
  };
}
