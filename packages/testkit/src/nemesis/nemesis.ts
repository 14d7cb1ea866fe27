/**
 * Carries out a schedule of faults and takes each back at its end. Faults may overlap: a host is as it was
 * only when the last fault on it is over.
 */

import type { DiskPace } from '../disk/simulated-disk.ts';
import type { CoordinatorHost } from '../ensemble/coordinator-host.ts';
import { soundLink } from '../network/link.ts';
import type { SimulatedHost } from '../world/host.ts';
import type { SimulatedWorld } from '../world/simulated-world.ts';
import { traceKinds } from '../world/trace.ts';
import { endOf, type Fault, faultText } from './faults.ts';

const MICROS = 1_000;
/** What a disk that is called full may still take. */
const ROOM_LEFT_BYTES = 3_000;
const DATA = /\/(log|snapshot)[./-]/;

export interface NemesisParts {
  readonly world: SimulatedWorld;
  readonly coordinators: ReadonlyMap<string, CoordinatorHost>;
  readonly hosts: ReadonlyMap<string, SimulatedHost>;
  /** Whether what this server's disk has can come back from the others. */
  isExpendable(server: string): boolean;
  /** Of disks that are well. */
  readonly diskPace: DiskPace;
}

export class Nemesis {
  readonly #parts: NemesisParts;
  /** Faults that hold a server down or still, by server. */
  readonly #down = new Map<string, number>();
  readonly #stopped = new Map<string, number>();
  #isOver = false;

  constructor(parts: NemesisParts, faults: readonly Fault[]) {
    this.#parts = parts;
    const { world } = parts;
    for (const fault of faults) {
      world.after(fault.atMs, () => {
        world.trace.mix(traceKinds.fault, 0, fault.atMs);
        world.trace.tell('nemesis', () => `>>> ${faultText(fault)}`);
        const takeBack = this.#strike(fault);
        world.after(fault.forMs, () => {
          world.trace.tell('nemesis', () => `<<< ${fault.kind} is over`);
          takeBack();
        });
      });
    }
    world.after(endOf(faults) + 1, () => {
      this.#isOver = true;
    });
  }

  /** Everything is well again. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** @returns what ends it */
  #strike(fault: Fault): () => void {
    switch (fault.kind) {
      case 'kill':
        return this.#takeDown(fault.servers, (server) => server.host.kill(), fault.staggerMs);
      case 'powerLoss':
        return this.#takeDown(fault.servers, (server) => server.host.losePower(), fault.staggerMs);
      case 'bitRot':
        return this.#takeDown(fault.servers, ({ host }) => {
          host.kill();
          if (!this.#parts.isExpendable(host.name)) return;
          const where = host.disk.rot(DATA);
          this.#parts.world.trace.tell('nemesis', () => `a bit turned in ${where}`);
        });
      case 'newDisk':
        return this.#takeDown(fault.servers, (server) => {
          server.host.kill();
          if (this.#parts.isExpendable(server.name)) server.replaceDisk();
        });
      case 'stop':
        return this.#stop(fault.servers);
      case 'cut':
        return this.#cut(fault.from, fault.to, fault.bothWays);
      case 'slowLink':
        return this.#slowLinks(fault.from, fault.to, fault.latencyMs, fault.loss);
      case 'reset':
        this.#eachPair(fault.from, fault.to, (from, to) => {
          this.#parts.world.network.breakConnections(from, to);
        });
        return () => undefined;
      case 'slowDisk':
        return this.#onDisks(fault.servers, (server) => {
          const { disk } = server.host;
          disk.pace = { ...disk.pace, syncUs: fault.syncMs * MICROS };
          return () => {
            disk.pace = this.#parts.diskPace;
          };
        });
      case 'fullDisk':
        return this.#onDisks(fault.servers, ({ host: { disk } }) => {
          disk.fillUp(ROOM_LEFT_BYTES);
          return () => {
            disk.capacityBytes = Number.POSITIVE_INFINITY;
          };
        });
      case 'failingDisk':
        return this.#onDisks(fault.servers, ({ host: { disk } }) => {
          disk.failing = { code: 'EIO', operations: ['write', 'sync'], share: fault.share };
          return () => {
            disk.failing = null;
          };
        });
      case 'clockJump':
        for (const server of this.#coordinators(fault.servers)) server.host.jumpClock(fault.byMs);
        return () => undefined;
    }
  }

  #coordinators(names: readonly string[]): CoordinatorHost[] {
    return names.flatMap((name) => this.#parts.coordinators.get(name) ?? []);
  }

  #takeDown(
    names: readonly string[],
    take: (server: CoordinatorHost) => void,
    staggerMs = 0,
  ): () => void {
    const servers = this.#coordinators(names);
    for (const server of servers) {
      this.#down.set(server.name, (this.#down.get(server.name) ?? 0) + 1);
      server.isWanted = false;
      take(server);
    }
    const bringBack = (server: CoordinatorHost): void => {
      const left = (this.#down.get(server.name) ?? 1) - 1;
      this.#down.set(server.name, left);
      if (left === 0) server.start();
    };
    return () => {
      for (const [index, server] of servers.entries()) {
        if (staggerMs === 0) bringBack(server);
        else this.#parts.world.after(index * staggerMs, () => bringBack(server));
      }
    };
  }

  #stop(names: readonly string[]): () => void {
    const servers = this.#coordinators(names);
    for (const server of servers) {
      this.#stopped.set(server.name, (this.#stopped.get(server.name) ?? 0) + 1);
      server.host.stop();
    }
    return () => {
      for (const server of servers) {
        const left = (this.#stopped.get(server.name) ?? 1) - 1;
        this.#stopped.set(server.name, left);
        if (left === 0) server.host.continue();
      }
    };
  }

  #eachPair(
    from: readonly string[],
    to: readonly string[],
    act: (from: SimulatedHost, to: SimulatedHost) => void,
  ): void {
    const { hosts } = this.#parts;
    for (const one of from) {
      for (const other of to) {
        const [near, far] = [hosts.get(one), hosts.get(other)];
        if (near !== undefined && far !== undefined && near !== far) act(near, far);
      }
    }
  }

  #cut(from: readonly string[], to: readonly string[], bothWays: boolean): () => void {
    const { network } = this.#parts.world;
    this.#eachPair(from, to, (near, far) => {
      network.cut(near, far);
      if (bothWays) network.cut(far, near);
    });
    return () => {
      this.#eachPair(from, to, (near, far) => {
        network.heal(near, far);
        if (bothWays) network.heal(far, near);
      });
    };
  }

  #slowLinks(
    from: readonly string[],
    to: readonly string[],
    latencyMs: number,
    loss: number,
  ): () => void {
    const { network } = this.#parts.world;
    const latencyUs = latencyMs * MICROS;
    const pace = { latencyUs, jitterUs: latencyUs, bytesPerMs: 200, loss };
    this.#eachPair(from, to, (near, far) => {
      network.link(near, far).pace = pace;
      network.link(far, near).pace = pace;
    });
    return () => {
      this.#eachPair(from, to, (near, far) => {
        network.link(near, far).pace = soundLink;
        network.link(far, near).pace = soundLink;
      });
    };
  }

  #onDisks(names: readonly string[], spoil: (server: CoordinatorHost) => () => void): () => void {
    const takeBack = this.#coordinators(names).map(spoil);
    return () => {
      for (const each of takeBack) each();
    };
  }
}
