/**
 * What goes wrong, as data: a schedule of faults, each with its time and its end, drawn from a seed. In the
 * end everything is well again; what must come back then is judged elsewhere.
 */
import { decides } from '../checkers/majority.ts';
import type { ServerPlan } from '../ensemble/plan.ts';
import type { Draw } from '../world/draw.ts';

/** A host of a client. */
interface PlacedClient {
  readonly name: string;
  readonly site: number;
}

interface Timed {
  readonly atMs: number;
  /** After that everything is as it was. */
  readonly forMs: number;
}

/** Servers that are down together, and come back one after the other. */
interface Outage<Kind extends string> {
  readonly kind: Kind;
  readonly servers: readonly string[];
  /** How much later each comes back than the one before it. */
  readonly staggerMs: number;
}

export type Fault = Timed &
  (
    | Outage<'kill'>
    | Outage<'powerLoss'>
    | { readonly kind: 'stop'; readonly servers: readonly string[] }
    /** Nothing gets from the hosts of `from` to those of `to`. */
    | {
        readonly kind: 'cut';
        readonly from: readonly string[];
        readonly to: readonly string[];
        readonly bothWays: boolean;
      }
    | {
        readonly kind: 'slowLink';
        readonly from: readonly string[];
        readonly to: readonly string[];
        readonly latencyMs: number;
        readonly loss: number;
      }
    | { readonly kind: 'reset'; readonly from: readonly string[]; readonly to: readonly string[] }
    | { readonly kind: 'slowDisk'; readonly servers: readonly string[]; readonly syncMs: number }
    | { readonly kind: 'fullDisk'; readonly servers: readonly string[] }
    | { readonly kind: 'failingDisk'; readonly servers: readonly string[]; readonly share: number }
    /** Killed, a bit of its data turned, started again. */
    | { readonly kind: 'bitRot'; readonly servers: readonly string[] }
    /** Killed, its disk replaced by an empty one, started again. */
    | { readonly kind: 'newDisk'; readonly servers: readonly string[] }
    | {
        readonly kind: 'clockJump';
        readonly servers: readonly string[];
        readonly byMs: number;
      }
  );
export type FaultKind = Fault['kind'];

/** When the first fault may come: the servers stand by then, mostly. */
const CALM_MS = 150;

const alone: Readonly<Partial<Record<FaultKind, number>>> = {
  kill: 4,
  powerLoss: 6,
  stop: 3,
  cut: 3,
  slowLink: 2,
  reset: 3,
  slowDisk: 5,
  fullDisk: 1,
  failingDisk: 1,
  clockJump: 2,
};
const together: Readonly<Partial<Record<FaultKind, number>>> = {
  kill: 6,
  powerLoss: 6,
  stop: 4,
  cut: 8,
  slowLink: 3,
  reset: 4,
  slowDisk: 6,
  fullDisk: 1,
  failingDisk: 1,
  bitRot: 1,
  newDisk: 1,
  clockJump: 2,
};

export function drawFaults(
  draw: Draw,
  servers: readonly ServerPlan[],
  clients: readonly PlacedClient[],
  tickMs: number,
): Fault[] {
  const count = draw.between(2, servers.length === 1 ? 6 : 9);
  const spanMs = draw.oneOf([1_000, 2_000, 4_000]);
  // A run with few kinds of faults finds what a mixture of all hides.
  const all = servers.length === 1 ? alone : together;
  const kinds = Object.keys(all) as FaultKind[];
  const chosen = draw.chance(0.4) ? draw.shuffled(kinds).slice(0, 3) : kinds;
  const weights = Object.fromEntries(chosen.map((kind) => [kind, all[kind] ?? 0]));
  const faults = Array.from({ length: count }, () => {
    const kind = draw.weighted(weights) as FaultKind;
    const timed = {
      atMs: CALM_MS + draw.below(spanMs),
      forMs: Math.round(draw.exponential(draw.oneOf([2, 5, 12]) * tickMs)) + 5,
    };
    return drawFault(draw, kind, timed, servers, clients, tickMs);
  });
  const onlyOnce = withoutSecondLoss(faults);
  return onlyOnce.sort((left, right) => left.atMs - right.atMs);
}

/** Data may be lost for good on one server at most: no ensemble outlives more. */
function withoutSecondLoss(faults: readonly Fault[]): Fault[] {
  let count = 0;
  return faults.filter(({ kind }) => {
    if (kind === 'bitRot' || kind === 'newDisk') count += 1;
    return (kind !== 'bitRot' && kind !== 'newDisk') || count === 1;
  });
}

function drawFault(
  draw: Draw,
  kind: FaultKind,
  timed: Timed,
  servers: readonly ServerPlan[],
  clients: readonly PlacedClient[],
  tickMs: number,
): Fault {
  const serverNames = servers.map(({ name }) => name);
  const one = [draw.oneOf(serverNames)];
  const some = draw.chance(0.35)
    ? draw.shuffled(serverNames).slice(0, draw.between(1, serverNames.length))
    : one;
  const [from, to] = drawSides(draw, servers, clients);
  switch (kind) {
    case 'kill':
    case 'powerLoss': {
      // All at once is what a data centre without power does; who comes back first may know least.
      const isAll = kind === 'powerLoss' && draw.chance(0.4);
      const down = isAll ? draw.shuffled(serverNames) : some;
      return { ...timed, kind, servers: down, staggerMs: draw.oneOf([0, 0, 2, 15]) * tickMs };
    }
    case 'stop':
      return { ...timed, kind, servers: one };
    case 'cut':
      return { ...timed, kind, from, to, bothWays: draw.chance(0.65) };
    case 'slowLink':
      return {
        ...timed,
        kind,
        from,
        to,
        latencyMs: draw.oneOf([2, 20, tickMs]),
        loss: draw.oneOf([0, 0.05, 0.3]),
      };
    case 'reset':
      return { ...timed, kind, from, to };
    case 'slowDisk':
      return { ...timed, kind, servers: some, syncMs: draw.oneOf([5, 40, 120, 250]) };
    case 'fullDisk':
      return { ...timed, kind, servers: one };
    case 'failingDisk':
      return { ...timed, kind, servers: one, share: draw.oneOf([0.05, 1]) };
    case 'bitRot':
    case 'newDisk': {
      const expendable = servers.filter(({ name }) =>
        decides(
          servers,
          serverNames.filter((other) => other !== name),
        ),
      );
      return { ...timed, kind, servers: [draw.oneOf(expendable).name] };
    }
    case 'clockJump':
      return {
        ...timed,
        kind,
        servers: some,
        byMs: draw.oneOf([-3_600_000, -500, 500, 86_400_000]),
      };
  }
}

/** Two sides between which something may go wrong: hosts by name. */
function drawSides(
  draw: Draw,
  servers: readonly ServerPlan[],
  clients: readonly PlacedClient[],
): [readonly string[], readonly string[]] {
  const hosts = [...servers, ...clients];
  const names = hosts.map(({ name }) => name);
  const isSecondSite = ({ site }: { readonly site: number }): boolean => site === 1;
  if (hosts.some(isSecondSite) && draw.chance(0.6)) {
    return [
      hosts.filter((host) => !isSecondSite(host)).map(({ name }) => name),
      hosts.filter(isSecondSite).map(({ name }) => name),
    ];
  }
  const serverNames = servers.map(({ name }) => name);
  if (draw.chance(0.6) || serverNames.length === 1) {
    const cutOff = draw.oneOf(serverNames);
    return [[cutOff], names.filter((name) => name !== cutOff)];
  }
  const shuffled = draw.shuffled(names);
  const at = draw.between(1, shuffled.length - 1);
  return [shuffled.slice(0, at), shuffled.slice(at)];
}

/** When the last fault is over. */
export const endOf = (faults: readonly Fault[]): number =>
  Math.max(0, ...faults.map((fault) => fault.atMs + fault.forMs + staggerOf(fault)));

/** By how much the last server comes back later than the first. */
function staggerOf(fault: Fault): number {
  if (fault.kind !== 'kill' && fault.kind !== 'powerLoss') return 0;
  return (fault.servers.length - 1) * fault.staggerMs;
}

/** One line for a person. */
export function faultText(fault: Fault): string {
  const { kind, atMs, forMs, ...rest } = fault;
  const details = Object.entries(rest).map(
    ([name, value]) => `${name}=${Array.isArray(value) ? value.join('+') : value}`,
  );
  return `at ${atMs} ms for ${forMs} ms: ${kind} ${details.join(' ')}`;
}
