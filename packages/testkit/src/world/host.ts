/**
 * A host of the simulated world: a disk, clocks, an address, and the one program that runs on it. The
 * program may be killed or stopped, the power may go, somebody may set the clock.
 */
import { type Environment, inlineWorkers, type Random } from '@odradek/runtime';
import { SimulatedDisk } from '../disk/simulated-disk.ts';
import type { NetworkHost, SimulatedNetwork } from '../network/simulated-network.ts';
import { Draw } from './draw.ts';
import { HostClock } from './host-clock.ts';
import { HostLog } from './host-log.ts';
import { SimulatedProcess } from './process.ts';
import type { Scheduler } from './scheduler.ts';
import { type Trace, traceKinds } from './trace.ts';

export interface HostOptions {
  /** By how much faster than the world its clocks run. */
  readonly drift: number;
  /** By how much its wall clock is ahead. */
  readonly skewMs: number;
  /** Timers come up to this much late. */
  readonly timerLagUs: number;
}

export interface HostParts {
  readonly scheduler: Scheduler;
  readonly network: SimulatedNetwork;
  readonly trace: Trace;
  /** Of the world. */
  readonly seed: string;
}

/** What runs on a host; called anew for each start. */
export type Program = (environment: Environment, process: SimulatedProcess) => void;

export class SimulatedHost implements NetworkHost {
  readonly name: string;
  readonly index: number;
  readonly address: string;
  readonly disk: SimulatedDisk;
  readonly log: HostLog;
  readonly #parts: HostParts;
  readonly #options: HostOptions;
  readonly #clock: HostClock;
  readonly #draw: Draw;
  #isOn = true;
  #boot = 0;
  #process: SimulatedProcess | null = null;

  constructor(parts: HostParts, name: string, index: number, options: HostOptions) {
    this.name = name;
    this.index = index;
    this.address = `10.0.${Math.floor(index / 250)}.${(index % 250) + 1}`;
    this.#parts = parts;
    this.#options = options;
    this.#clock = new HostClock(options.drift, options.skewMs);
    this.#draw = new Draw(`${parts.seed}/host ${name}`);
    this.log = new HostLog(parts.trace, name, index);
    this.disk = new SimulatedDisk({
      scheduler: parts.scheduler,
      draw: new Draw(`${parts.seed}/disk ${name}`),
      trace: parts.trace,
      hostIndex: index,
    });
    parts.network.add(this);
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  get boot(): number {
    return this.#boot;
  }

  /** null: nothing runs here. */
  get process(): SimulatedProcess | null {
    return this.#process;
  }

  get isRunning(): boolean {
    return this.#process?.state === 'running';
  }

  /** Starts a program; what ran here before is killed. Switches the power on. */
  start(program: Program): void {
    this.kill();
    const { scheduler, network, trace } = this.#parts;
    this.#isOn = true;
    const process = new SimulatedProcess(
      scheduler,
      this.#clock,
      this.#draw,
      this.#options.timerLagUs,
    );
    this.#process = process;
    const disk = this.disk.for(process);
    const environment: Environment = {
      clock: process.clock,
      timers: process.timers,
      random: randomFrom(this.#draw),
      network: network.for(process, this),
      disk,
      workers: inlineWorkers({ disk, clock: process.clock, timers: process.timers }),
      log: this.log.port(),
    };
    trace.mix(traceKinds.start, this.index, this.#boot);
    trace.tell(this.name, () => '--- started');
    process.post(scheduler.nowUs, () => program(environment, process));
  }

  /** SIGKILL: the system and what it had been handed live on. */
  kill(): void {
    if (this.#process === null) return;
    this.#process.kill();
    this.#process = null;
    this.#parts.trace.tell(this.name, () => '--- killed');
  }

  /** The program, and what the system had not brought to the disk, are gone; peers hear nothing. */
  losePower(): void {
    this.#isOn = false;
    this.#boot += 1;
    this.#parts.network.losePower(this);
    this.disk.losePower();
    this.#process?.kill();
    this.#process = null;
    this.#parts.trace.tell(this.name, () => '--- lost its power');
  }

  /** SIGSTOP and SIGCONT. */
  stop(): void {
    this.#process?.stop();
    this.#parts.trace.tell(this.name, () => '--- stopped');
  }

  continue(): void {
    this.#process?.continue();
    this.#parts.trace.tell(this.name, () => '--- goes on');
  }

  /** Somebody sets the wall clock. */
  jumpClock(ms: number): void {
    this.#clock.jump(ms);
  }
}

function randomFrom(draw: Draw): Random {
  return { bytes: (sizeBytes) => draw.bytes(sizeBytes), below: (limit) => draw.below(limit) };
}
