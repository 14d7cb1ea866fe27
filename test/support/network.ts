/**
 * A small data centre, or two, on this machine: each host is a network namespace of Linux, so that links between
 * real processes can be cut as cables are cut: nobody is told, packets are just gone.
 *
 *     this process ---- clients' bridge ---- host 1, 2, 3 ...       198.18.n.0/24, never cut by a cut between servers
 *                       site 1's bridge ---- host 1, 2, 3           198.19.n.0/24, between servers
 *                            |  the line between the sites
 *                       site 2's bridge ---- host 4, 5, 6
 *
 * Bridges live in a namespace of their own; the only thing outside is one end of a cable, and it goes with the rest.
 * Names carry this process's id, so that runs do not meet, and what a killed run left is removed by the next one.
 * Needs root (or CAP_NET_ADMIN and CAP_SYS_ADMIN) and iproute2. What runs on the hosts is in ensemble.ts.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';

const NAME = 'odradek';
const NAMESPACES = '/run/netns';
/** No network card has this address: frames for it are dropped by everybody who gets them. */
const NOBODY = '02:00:00:00:00:00';

export interface Host {
  readonly id: number;
  /** From 0. */
  readonly site: number;
  /** Where other servers reach it. */
  readonly peerAddress: string;
  /** Where clients, and this process, reach it. */
  readonly clientAddress: string;
}

/** @returns why this machine does not let us make networks; null: it does */
export function networksRefused(): string | null {
  const probe = `${NAME}-${process.pid}-probe`;
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' });
  if (made.error !== undefined) return `there is no ip (iproute2): ${made.error.message}`;
  if (made.status !== 0) return `network namespaces are not allowed: ${made.stderr.trim()}`;
  const cable = spawnSync(
    'ip',
    ['-netns', probe, 'link', 'add', 'name', 'one', 'type', 'veth', 'peer', 'name', 'other'],
    { encoding: 'utf8' },
  );
  const bridge = spawnSync(
    'ip',
    ['-netns', probe, 'link', 'add', 'name', 'joint', 'type', 'bridge'],
    {
      encoding: 'utf8',
    },
  );
  spawnSync('ip', ['netns', 'delete', probe]);
  if (cable.status !== 0) return `there are no virtual cables: ${cable.stderr.trim()}`;
  if (bridge.status !== 0) return `there are no bridges: ${bridge.stderr.trim()}`;
  return null;
}

let made = 0;

export class Network {
  readonly hosts: ReadonlyMap<number, Host>;
  readonly #prefix: string;
  readonly #cable: string;
  readonly #siteCount: number;
  /** Cuts that stand, as `from>to`. */
  readonly #cuts = new Set<string>();

  /** @param sites the ids of the hosts of each site, from 1 to 200 */
  constructor(sites: readonly (readonly number[])[]) {
    sweep();
    made += 1;
    this.#prefix = `${NAME}-${process.pid}-${made}`;
    this.#cable = `od${process.pid}${made}`.slice(-15);
    this.#siteCount = sites.length;
    const subnet = freeSubnet();
    const hosts = sites.flatMap((ids, site) =>
      ids.map((id) => ({
        id,
        site,
        peerAddress: `198.19.${subnet}.${id}`,
        clientAddress: `198.18.${subnet}.${id}`,
      })),
    );
    this.hosts = new Map(hosts.map((host) => [host.id, host]));
    try {
      this.#build(subnet);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  get #hub(): string {
    return `${this.#prefix}-hub`;
  }

  #build(subnet: number): void {
    const hosts = [...this.hosts.values()];
    batch(null, [
      ...[this.#hub, ...hosts.map(({ id }) => this.#namespace(id))].map(
        (name) => `netns add ${name}`,
      ),
      `link add ${this.#cable} type veth peer name outside netns ${this.#hub}`,
      `addr add 198.18.${subnet}.254/24 dev ${this.#cable}`,
      `link set ${this.#cable} up`,
    ]);
    const bridges = ['clients', ...Array.from({ length: this.#siteCount }, (_, n) => `site${n}`)];
    batch(this.#hub, [
      ...bridges.flatMap((name) => [`link add ${name} type bridge`, `link set ${name} up`]),
      'link set outside master clients up',
      // Each further site is joined to the one before.
      ...bridges
        .slice(2)
        .flatMap((name, n) => [
          `link add line${n} type veth peer name far${n}`,
          `link set line${n} master site${n} up`,
          `link set far${n} master ${name} up`,
        ]),
      ...hosts.flatMap(({ id, site }) => [
        `link add p${id} type veth peer name peers netns ${this.#namespace(id)}`,
        `link set p${id} master site${site} up`,
        `link add c${id} type veth peer name clients netns ${this.#namespace(id)}`,
        `link set c${id} master clients up`,
      ]),
    ]);
    for (const { id, peerAddress, clientAddress } of hosts) {
      batch(this.#namespace(id), [
        'link set lo up',
        `addr add ${peerAddress}/24 dev peers`,
        `addr add ${clientAddress}/24 dev clients`,
        'link set peers up',
        'link set clients up',
      ]);
    }
  }

  #namespace(id: number): string {
    return `${this.#prefix}-${id}`;
  }

  /** How to run a program on a host: the process that is started becomes the program. */
  command(id: number, command: string, args: readonly string[]): [string, string[]] {
    return ['ip', ['netns', 'exec', this.#namespace(id), command, ...args]];
  }

  /** Packets between each of these and each of those are lost, in both directions. */
  cut(some: readonly number[], others: readonly number[]): void {
    for (const one of some) {
      for (const other of others) {
        if (one === other) continue;
        this.cutOneWay(one, other);
        this.cutOneWay(other, one);
      }
    }
  }

  /** Packets of `from` to `to` are lost; those the other way arrive. */
  cutOneWay(from: number, to: number): void {
    const address = this.#host(to).peerAddress;
    batch(this.#namespace(from), [
      `neigh replace ${address} lladdr ${NOBODY} dev peers nud permanent`,
    ]);
    this.#cuts.add(`${from}>${to}`);
  }

  /** The cable between a server and all other servers is out. */
  unplug(id: number): void {
    batch(this.#hub, [`link set p${id} down`]);
  }

  plug(id: number): void {
    batch(this.#hub, [`link set p${id} up`]);
  }

  /** The cable to the clients is out. */
  unplugClients(id: number): void {
    batch(this.#hub, [`link set c${id} down`]);
  }

  plugClients(id: number): void {
    batch(this.#hub, [`link set c${id} up`]);
  }

  /** The line between site n and site n + 1 is down. */
  cutLine(line = 0): void {
    batch(this.#hub, [`link set line${line} down`]);
  }

  mendLine(line = 0): void {
    batch(this.#hub, [`link set line${line} up`]);
  }

  /**
   * The line between two sites becomes slow: by delay where the kernel has netem, else by a low rate.
   * @returns what it is now, in words
   */
  slowLine(line = 0): string {
    const both = [`line${line}`, `far${line}`];
    const [delay, rate] = [
      ['netem', 'delay', '30ms', '10ms'],
      ['tbf', 'rate', '2mbit', 'burst', '16kb', 'latency', '200ms'],
    ];
    for (const discipline of [delay, rate]) {
      if (discipline === undefined) continue;
      const set = both.map((device) =>
        spawnSync('tc', [
          ...['-netns', this.#hub, 'qdisc', 'replace', 'dev', device, 'root'],
          ...discipline,
        ]),
      );
      if (set.every(({ status }) => status === 0)) return discipline.join(' ');
    }
    return 'as fast as ever: this kernel has neither netem nor tbf';
  }

  quickenLine(line = 0): void {
    for (const device of [`line${line}`, `far${line}`]) {
      spawnSync('tc', ['-netns', this.#hub, 'qdisc', 'delete', 'dev', device, 'root']);
    }
  }

  /** Every cut between hosts is mended, and every cable of a host is in. */
  heal(): void {
    for (const cut of this.#cuts) {
      const [from = 0, to = 0] = cut.split('>').map(Number);
      batch(this.#namespace(from), [`neigh del ${this.#host(to).peerAddress} dev peers`]);
    }
    this.#cuts.clear();
    for (const id of this.hosts.keys()) {
      this.plug(id);
      this.plugClients(id);
    }
    for (let line = 0; line < this.#siteCount - 1; line += 1) this.mendLine(line);
  }

  #host(id: number): Host {
    const host = this.hosts.get(id);
    if (host === undefined) throw new Error(`there is no host ${id}`);
    return host;
  }

  /** Takes everything away. Processes on the hosts must have ended. */
  dispose(): void {
    for (const name of namespaces()) {
      if (name.startsWith(`${this.#prefix}-`)) spawnSync('ip', ['netns', 'delete', name]);
    }
    spawnSync('ip', ['link', 'delete', this.#cable]);
  }
}

function batch(namespace: string | null, commands: readonly string[]): void {
  execFileSync('ip', [...(namespace === null ? [] : ['-netns', namespace]), '-batch', '-'], {
    input: `${commands.join('\n')}\n`,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
}

function namespaces(): string[] {
  return existsSync(NAMESPACES) ? readdirSync(NAMESPACES) : [];
}

/** What runs left behind that were killed before they could tidy up. */
function sweep(): void {
  for (const name of namespaces()) {
    const owner = new RegExp(`^${NAME}-(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) {
      spawnSync('ip', ['netns', 'delete', name]);
    }
  }
}

function freeSubnet(): number {
  const addresses = execFileSync('ip', ['-brief', 'address'], { encoding: 'utf8' });
  for (let attempt = 0; attempt < 250; attempt += 1) {
    const subnet = 1 + ((process.pid + made + attempt) % 250);
    if (!addresses.includes(`198.18.${subnet}.`)) return subnet;
  }
  throw new Error('no subnet of 198.18.0.0/15 is free');
}
