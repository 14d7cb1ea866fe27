/**
 * The network of a world: who listens where, the links between hosts, and how connections come about.
 */
import {
  AddressInUse,
  ConnectFailed,
  type Connection,
  type ConnectionHandler,
  type Listener,
  ListenFailed,
  type Network,
  UnusableTls,
} from '@odradek/runtime';
import { Draw } from '../world/draw.ts';
import type { SimulatedProcess } from '../world/process.ts';
import { traceKinds } from '../world/trace.ts';
import { Endpoint, type Machine, type NetworkParts } from './endpoint.ts';
import { Link } from './link.ts';

const FIRST_FREE_PORT = 32_768;
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1']);
/** After how long a system asks again for a connection that nobody answered. */
const ASK_AGAIN_US = [1_000_000, 3_000_000, 7_000_000, 15_000_000] as const;

export interface NetworkHost extends Machine {
  readonly name: string;
}

interface Listening {
  readonly process: SimulatedProcess;
  readonly accept: (connection: Connection) => ConnectionHandler;
}

export class SimulatedNetwork {
  readonly #parts: NetworkParts;
  readonly #seed: string;
  readonly #hosts = new Map<string, NetworkHost>();
  readonly #links = new Map<string, Link>();
  /** By `index of host:port`. */
  readonly #listening = new Map<string, Listening>();
  #endpoints: Endpoint[] = [];
  #nextPort = FIRST_FREE_PORT;

  /** @param seed for the chance of the links */
  constructor(parts: NetworkParts, seed: string) {
    this.#parts = parts;
    this.#seed = seed;
  }

  /** Known from here on by its name and its address. */
  add(host: NetworkHost): void {
    this.#hosts.set(host.name, host);
    this.#hosts.set(host.address, host);
  }

  /** The way from one host to another. */
  link(from: Machine, to: Machine): Link {
    const key = `${from.index}>${to.index}`;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = new Link(new Draw(`${this.#seed}/link ${key}`));
      this.#links.set(key, link);
    }
    return link;
  }

  /** Nothing gets from one to the other any more, until `heal`. */
  cut(from: Machine, to: Machine): void {
    this.link(from, to).cut(this.#parts.scheduler.nowUs);
  }

  heal(from: Machine, to: Machine): void {
    const { scheduler } = this.#parts;
    for (const { afterUs, go } of this.link(from, to).heal(scheduler.nowUs)) {
      scheduler.at(scheduler.nowUs + afterUs, go);
    }
  }

  /** Breaks connections that stand between two hosts. @returns how many */
  breakConnections(one: Machine, other: Machine): number {
    this.#endpoints = this.#endpoints.filter((endpoint) => !endpoint.isClosed);
    const broken = this.#endpoints.filter(
      ({ machine, remoteAddress }) => machine === one && remoteAddress === other.address,
    );
    for (const endpoint of broken) endpoint.break();
    return broken.length;
  }

  /** The host has no power any more; to be called before its program is killed. */
  losePower(machine: Machine): void {
    for (const endpoint of this.#endpoints) if (endpoint.machine === machine) endpoint.vanish();
  }

  /** The network as one program sees it. */
  for(process: SimulatedProcess, host: NetworkHost): Network {
    return {
      listen: ({ host: address, port, tls }, accept) => {
        if (tls !== undefined) return Promise.reject(new UnusableTls('not in a simulated world'));
        return this.#listen(process, host, address, port, accept);
      },
      connect: ({ host: address, port, timeoutMs, tls }, attach) => {
        if (tls !== undefined) return Promise.reject(new UnusableTls('not in a simulated world'));
        return this.#connect(process, host, address, port, timeoutMs, attach);
      },
    };
  }

  #listen(
    process: SimulatedProcess,
    host: NetworkHost,
    address: string | null,
    port: number,
    accept: (connection: Connection) => ConnectionHandler,
  ): Promise<Listener> {
    const where = `${address === null || address === '' ? '*' : address}:${port}`;
    const isAny = address === null || address === '' || address === '0.0.0.0' || address === '::';
    if (!isAny && !LOOPBACK.has(address) && this.#hosts.get(address) !== host) {
      return Promise.reject(new ListenFailed(where, 'no such address here'));
    }
    const bound = port === 0 ? this.#newPort() : port;
    const key = `${host.index}:${bound}`;
    if (this.#listening.has(key)) return Promise.reject(new AddressInUse(where));
    const listening = { process, accept };
    this.#listening.set(key, listening);
    const close = (): void => {
      if (this.#listening.get(key) === listening) this.#listening.delete(key);
    };
    process.whenDead(close);
    return Promise.resolve({
      host: address ?? '',
      port: bound,
      close: () => {
        close();
        return Promise.resolve();
      },
    });
  }

  #connect(
    process: SimulatedProcess,
    from: NetworkHost,
    address: string,
    port: number,
    timeoutMs: number,
    attach: (connection: Connection) => ConnectionHandler,
  ): Promise<Connection> {
    const { scheduler } = this.#parts;
    const where = `${address}:${port}`;
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const fail = (reason: string): void => {
        if (isSettled) return;
        isSettled = true;
        timeout.cancel();
        reject(new ConnectFailed(where, reason));
      };
      const timeout = process.post(scheduler.nowUs + timeoutMs * 1_000, () =>
        fail(`no answer within ${timeoutMs} ms`),
      );
      const to = LOOPBACK.has(address) ? from : this.#hosts.get(address);
      if (to === undefined) {
        process.post(scheduler.nowUs + 1_000, () => fail('the host name cannot be resolved'));
        return;
      }
      const [there, back] = [this.link(from, to), this.link(to, from)];
      const arriveThere = (attempt: number): void => {
        if (isSettled || process.state === 'dead') return;
        if (there.isCut || back.isCut || !to.isOn) {
          const againUs = ASK_AGAIN_US[attempt];
          if (againUs === undefined) return;
          scheduler.at(scheduler.nowUs + againUs, () => arriveThere(attempt + 1));
          return;
        }
        const answerUs = back.arrivalUs(scheduler.nowUs, 60);
        const listening = this.#listening.get(`${to.index}:${port}`);
        if (listening === undefined) {
          process.post(answerUs, () => fail('connection refused'));
          return;
        }
        const [near, far] = this.#pair(process, from, listening.process, to, port);
        listening.process.deliver(() => {
          if (!far.isClosed) far.attach(listening.accept(far));
        });
        process.post(answerUs, () => {
          if (isSettled) {
            near.destroy();
            return;
          }
          isSettled = true;
          timeout.cancel();
          this.#parts.trace.mix(traceKinds.connect, from.index, to.index * 65_536 + port);
          near.attach(attach(near));
          resolve(near);
        });
      };
      scheduler.at(there.arrivalUs(scheduler.nowUs, 60), () => arriveThere(0));
    });
  }

  #pair(
    process: SimulatedProcess,
    from: NetworkHost,
    otherProcess: SimulatedProcess,
    to: NetworkHost,
    port: number,
  ): [Endpoint, Endpoint] {
    const out = this.link(from, to);
    const back = this.link(to, from);
    const localPort = this.#newPort();
    const near = new Endpoint(
      this.#parts,
      process,
      from,
      { out, back },
      { remoteAddress: to.address, remotePort: port, localPort },
    );
    const far = new Endpoint(
      this.#parts,
      otherProcess,
      to,
      { out: back, back: out },
      { remoteAddress: from.address, remotePort: localPort, localPort: port },
    );
    Endpoint.join(near, far);
    this.#endpoints.push(near, far);
    if (this.#endpoints.length > 512) {
      this.#endpoints = this.#endpoints.filter((endpoint) => !endpoint.isClosed);
    }
    return [near, far];
  }

  #newPort(): number {
    this.#nextPort += 1;
    return this.#nextPort;
  }
}
