/**
 * A cut through the ensemble that stays for long, with nothing else wrong: the side that has the votes must go
 * on serving, the other must not, nor may anybody when no side has them; afterwards all must come together again.
 */

import type { Leaders } from '../checkers/leaders.ts';
import { decides } from '../checkers/majority.ts';
import type { KeeperClient } from '../keeper/keeper-client.ts';
import type { SimulatedHost } from '../world/host.ts';
import type { SimulatedWorld } from '../world/simulated-world.ts';
import type { Plan } from './plan.ts';

/** How long the side with the votes may take to serve again, in ticks and in ms. */
const SERVES_WITHIN_TICKS = 24;
const SERVES_WITHIN_MS = 6_000;
/** When a leader, or a follower, without enough votes must have noticed. */
const NOTICED_WITHIN_TICKS = 10;
const RETRY_MS = 50;

export interface SiegeParts {
  readonly plan: Plan;
  readonly world: SimulatedWorld;
  readonly leaders: Leaders;
  /** A client on a host of its own that knows these servers only. */
  probe(
    name: string,
    servers: readonly string[],
    started: (client: KeeperClient) => void,
  ): SimulatedHost;
  hostOf(server: string): SimulatedHost;
}

interface Side {
  readonly name: string;
  readonly servers: readonly string[];
  readonly hosts: SimulatedHost[];
  readonly hasVotes: boolean;
  /** Writes that were asked for after the cut and succeeded. */
  successes: number;
  isOver: boolean;
}

/** @returns what did not hold */
export async function besiege(parts: SiegeParts, inside: readonly string[]): Promise<string[]> {
  const { plan, world } = parts;
  const outside = plan.servers.map(({ name }) => name).filter((name) => !inside.includes(name));
  const sides = [sideOf(parts, 'inside', inside), sideOf(parts, 'outside', outside)] as const;
  const [one, other] = sides;
  world.trace.tell('siege', () => `${inside.join()} | ${outside.join()}`);
  eachPair(one, other, (from, to) => {
    world.network.cut(from, to);
    world.network.cut(to, from);
  });
  const boundMs = SERVES_WITHIN_TICKS * plan.tickMs + SERVES_WITHIN_MS;
  const breaches: string[] = [];
  await world.runFor(NOTICED_WITHIN_TICKS * plan.tickMs + 500);
  for (const side of sides) breaches.push(...notNoticed(parts, side));
  const mustServe = sides.filter(({ hasVotes }) => hasVotes);
  await world.runUntil(
    () => mustServe.length > 0 && mustServe.every(({ successes }) => successes >= 2),
    boundMs,
  );
  for (const { name, servers, hasVotes, successes } of sides) {
    if (hasVotes && successes === 0) {
      breaches.push(`${servers} (${name}) have the votes, and serve nobody for ${boundMs} ms`);
    }
    if (!hasVotes && successes > 0) {
      breaches.push(`${servers} (${name}) have not the votes, and took ${successes} writes`);
    }
  }
  for (const side of sides) side.isOver = true;
  eachPair(one, other, (from, to) => {
    world.network.heal(from, to);
    world.network.heal(to, from);
  });
  return breaches;
}

function sideOf(parts: SiegeParts, name: string, servers: readonly string[]): Side {
  const hosts = servers.map((server) => parts.hostOf(server));
  const side: Side = {
    name,
    servers,
    hosts,
    hasVotes: decides(parts.plan.servers, servers),
    successes: 0,
    isOver: false,
  };
  const host = parts.probe(`probe-${name}`, servers, (client) => {
    void probe(client, side);
  });
  hosts.push(host);
  return side;
}

/** Writes again and again. */
async function probe(client: KeeperClient, side: Side): Promise<void> {
  for (let count = 0; !side.isOver; count++) {
    const data = `${client.name}.${count}`;
    const written = await client.ask({ kind: 'setData', path: '/r/0', data, version: -1 });
    if (written === null) return;
    if (written.answer?.err === 0) side.successes += 1;
    await client.sleep(RETRY_MS);
  }
}

function eachPair(
  one: Side,
  other: Side,
  act: (from: SimulatedHost, to: SimulatedHost) => void,
): void {
  for (const from of one.hosts) for (const to of other.hosts) act(from, to);
}

/** Whoever leads or follows without the votes by now. */
function notNoticed({ leaders }: SiegeParts, { servers, hasVotes }: Side): string[] {
  if (hasVotes) return [];
  return servers.flatMap((server) => {
    const role = leaders.present.get(server)?.role ?? 'looking';
    return role === 'looking' ? [] : [`${server} is still ${role} without the votes`];
  });
}
