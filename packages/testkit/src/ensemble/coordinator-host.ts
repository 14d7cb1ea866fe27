/**
 * A host on which a coordination server runs: the real one, from its configuration file to its last
 * message, with an operator who starts it again when it ends, and who replaces a disk whose data a start
 * finds damaged, as the message tells him to.
 */
import {
  type CoordinatorObserver,
  loadMemberCode,
  type RunningCoordinator,
  readZooCfg,
  startCoordinator,
} from '@odradek/coord';
import { OdradekError, parseProperties } from '@odradek/runtime';
import type { SimulatedHost } from '../world/host.ts';
import type { SimulatedProcess } from '../world/process.ts';
import type { SimulatedWorld } from '../world/simulated-world.ts';

// Before any simulated time passes: what is loaded by then takes no real time in the middle of a run.
await loadMemberCode();

/** Until the operator starts it again. */
const RESTART_MS = 150;
export const CLIENT_PORT = 2181;
export const DATA_DIRECTORY = '/data';

export interface CoordinatorSetting {
  /** zoo.cfg */
  readonly configuration: string;
  /** null: it is alone. */
  readonly serverId: number | null;
  /** Whether what a disk has lost can come back from others. */
  readonly mayReplaceDisk: boolean;
  readonly observer: CoordinatorObserver;
  /** It begins: whatever it was before, it is no more. */
  begins(): void;
  /** It is up. */
  started(): void;
  /** Something that must not be: the program would have died of it. */
  broke(error: unknown): void;
}

export class CoordinatorHost {
  readonly name: string;
  readonly host: SimulatedHost;
  /** Whether it should run. */
  isWanted = false;
  /** How often its disk was replaced. */
  replacedDisks = 0;
  running: RunningCoordinator | null = null;
  readonly #world: SimulatedWorld;
  readonly #setting: CoordinatorSetting;

  constructor(world: SimulatedWorld, host: SimulatedHost, setting: CoordinatorSetting) {
    this.name = host.name;
    this.host = host;
    this.#world = world;
    this.#setting = setting;
    this.#plantId();
  }

  start(): void {
    this.isWanted = true;
    this.running = null;
    this.#setting.begins();
    this.host.start((environment, process) => {
      void this.#run(() => {
        const { values } = readZooCfg(parseProperties(this.#setting.configuration, 'zoo.cfg'), {
          source: 'zoo.cfg',
          homeDirectory: '/',
        });
        return startCoordinator(environment, values, { observer: this.#setting.observer });
      }, process);
    });
  }

  /** An empty disk, with what an installation puts there. */
  replaceDisk(): void {
    this.host.disk.wipe();
    this.replacedDisks += 1;
    this.#plantId();
  }

  #plantId(): void {
    const { serverId } = this.#setting;
    if (serverId !== null) this.host.disk.plant(`${DATA_DIRECTORY}/myid`, `${serverId}\n`);
  }

  async #run(start: () => Promise<RunningCoordinator>, process: SimulatedProcess): Promise<void> {
    try {
      const running = await start();
      this.running = running;
      this.#setting.started();
      const error = await running.failure;
      this.#ended(process, error);
    } catch (error) {
      if (!(error instanceof OdradekError)) this.#setting.broke(error);
      this.#ended(process, error);
    }
  }

  /** It has ended by itself, or could not start. */
  #ended(process: SimulatedProcess, error: unknown): void {
    if (process !== this.host.process) return;
    this.#world.trace.tell(this.name, () => `--- ended: ${String(error)}`);
    const isDamaged = error instanceof OdradekError && error.code === 'STORAGE_DAMAGED';
    this.#world.after(RESTART_MS, () => {
      if (!this.isWanted || this.host.process !== process) return;
      this.host.kill();
      if (isDamaged && this.#setting.mayReplaceDisk) this.replaceDisk();
      this.start();
    });
  }
}
