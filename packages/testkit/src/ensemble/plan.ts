/**
 * Everything about a run that can be left out or made smaller without changing the rest: who takes part,
 * what they do, what goes wrong and when. Drawn from a seed, then data.
 */
import type { WorkloadOptions } from '../keeper/workload.ts';
import { drawFaults, endOf, type Fault } from '../nemesis/faults.ts';
import { Draw } from '../world/draw.ts';
import type { WorldOptions } from '../world/simulated-world.ts';

export interface ServerPlan {
  readonly id: number;
  readonly name: string;
  readonly role: 'participant' | 'observer';
  /** Of its vote. */
  readonly weight: number;
  /** Which site it stands in; cuts go between sites, and anywhere. */
  readonly site: number;
}

export interface ClientPlan extends WorkloadOptions {
  readonly name: string;
  /** What becomes of its session at the end. */
  readonly leaves: 'open' | 'abandoned' | 'closed';
  /** Which site's network it is in. */
  readonly site: number;
}

export interface Plan {
  readonly seed: string;
  readonly topology: Topology;
  readonly servers: readonly ServerPlan[];
  readonly clients: readonly ClientPlan[];
  readonly faults: readonly Fault[];
  /** Servers that are cut off from the others for long when all is over; null: nobody is. */
  readonly siege: readonly string[] | null;
  readonly tickMs: number;
  readonly sessionTimeoutMs: number;
  /** Mean time of a sync of the disks, when nothing is wrong with them. */
  readonly syncMs: number;
  /** Transactions until a snapshot. */
  readonly snapCount: number;
  readonly world: Partial<WorldOptions>;
}

export const topologies = {
  standalone: [[1]],
  three: [[1, 1, 1]],
  five: [[1, 1, 1, 1, 1]],
  /** Two sites, the first with one vote more: 7 votes in all. */
  twoSites: [
    [2, 1, 1],
    [1, 1, 1],
  ],
  /** The third does not vote. */
  observer: [[1, 1, 1, -1]],
  /** A vote that weighs nothing, and one that weighs as much as two. */
  weights: [[2, 1, 1, 1, 0]],
  /** The first decides alone. */
  heavy: [[3, 1, 1]],
} as const;
export type Topology = keyof typeof topologies;
export const TOPOLOGIES = Object.keys(topologies) as readonly Topology[];

/** How often each is drawn when none is asked for. */
const shares: Readonly<Record<Topology, number>> = {
  standalone: 1,
  three: 4,
  five: 2,
  twoSites: 2,
  observer: 1,
  weights: 1,
  heavy: 1,
};

export interface PlanOptions {
  readonly topology?: Topology | undefined;
}

function serversOf(topology: Topology): ServerPlan[] {
  const sites: readonly (readonly number[])[] = topologies[topology];
  let id = 0;
  return sites.flatMap((weights, site) =>
    weights.map((weight): ServerPlan => {
      id += 1;
      const role = weight < 0 ? 'observer' : 'participant';
      return { id, name: `coord${id}`, role, weight: Math.max(0, weight), site };
    }),
  );
}

export function drawPlan(seed: string | number, options: PlanOptions = {}): Plan {
  const draw = new Draw(`${seed}/plan`);
  const drawn = draw.weighted(shares);
  const topology = options.topology ?? drawn;
  const servers = serversOf(topology);
  const siteCount = 1 + Math.max(...servers.map(({ site }) => site));
  const tickMs = draw.oneOf([100, 200, 500]);
  const names = Array.from({ length: draw.between(2, 4) }, (_, index) => `client${index + 1}`);
  const hosts = names.map((name, index) => {
    const own = new Draw(`${seed}/client site ${index}`);
    return { name, site: own.below(siteCount) };
  });
  const faults = drawFaults(new Draw(`${seed}/faults`), servers, hosts, tickMs);
  const clients = hosts.map(({ name, site }, index): ClientPlan => {
    const own = new Draw(`${seed}/client plan ${index}`);
    const operations = own.between(40, 160);
    return {
      name,
      operations,
      inFlightMax: own.oneOf([1, 2, 4, 10]),
      // So that there is something to be harmed as long as there are faults.
      pauseMs: (endOf(faults) * (0.4 + 0.8 * own.fraction())) / operations,
      watches: own.oneOf(['none', 'standard', 'standard', 'persistent']),
      unrest: own.oneOf([0, 0.02, 0.06]),
      leaves: own.oneOf(['open', 'abandoned', 'closed']),
      site,
    };
  });
  return {
    seed: String(seed),
    topology,
    servers,
    clients,
    faults,
    siege: drawSiege(new Draw(`${seed}/siege`), servers),
    tickMs,
    sessionTimeoutMs: tickMs * draw.oneOf([4, 6, 12]),
    // Slower than that, a disk would be at odds with syncLimit, and leaders would rightly come and go.
    syncMs: Math.min(draw.oneOf([0.3, 0.3, 3, 30, 120]), tickMs / 5),
    snapCount: draw.oneOf([15, 60, 100_000]),
    world: {},
  };
}

/** Between the sites where there are two, else anywhere. */
function drawSiege(draw: Draw, servers: readonly ServerPlan[]): readonly string[] | null {
  if (servers.length === 1 || draw.chance(0.5)) return null;
  const secondSite = servers.filter(({ site }) => site === 1);
  const drawn = draw.shuffled(servers).slice(0, draw.between(1, servers.length - 1));
  const chosen = secondSite.length > 0 && draw.chance(0.6) ? secondSite : drawn;
  return chosen.map(({ name }) => name).sort();
}
