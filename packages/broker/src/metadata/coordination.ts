/**
 * What the control plane needs of the session with the coordination service, and the two rules all
 * of its users follow: a write whose answer was lost is made again, and the one who makes it has to
 * know that it may have happened the first time.
 */
import type { CoordinatorSession } from '@odradek/client';
import { ZooKeeperError, type ZooKeeperErrorName } from '@odradek/protocol';

/** The part of `CoordinatorSession` that is used; tests put a service in memory in its place. */
export type Coordination = Pick<
  CoordinatorSession,
  | 'sessionId'
  | 'state'
  | 'inDoubt'
  | 'onEvent'
  | 'whenConnected'
  | 'get'
  | 'exists'
  | 'children'
  | 'create'
  | 'set'
  | 'remove'
  | 'multi'
  | 'ensurePath'
>;

/** Tells whether `error` is the coordination service's answer with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly ZooKeeperErrorName[]): boolean {
  return error instanceof ZooKeeperError && codes.includes(error.code);
}

/** Repeats `attempt` as long as the connection breaks before it is answered. */
export async function persist<T>(
  session: Pick<Coordination, 'whenConnected'>,
  attempt: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!hasCode(error, 'CONNECTION_LOSS')) throw error;
      await session.whenConnected();
    }
  }
}

/** Reads asked for at once; more wait, so that a big cluster does not fill the session's queue. */
const PARALLEL_READS = 256;

/** Runs `work` over all items, a bounded number at a time; results in the order of the items. */
export async function inPortions<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += PARALLEL_READS)
    results.push(...(await Promise.all(items.slice(start, start + PARALLEL_READS).map(work))));
  return results;
}
