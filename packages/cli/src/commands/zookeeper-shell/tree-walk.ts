/** Walks below a node, in the orders in which the shell's recursive commands show and delete. */
import { operations, type RawSession } from '@odradek/client';
import { ZooKeeperError } from '@odradek/protocol';
import { about } from './failures.ts';
import { childPath } from './paths.ts';

/**
 * The path itself, then for each node its children, sorted, before what is below the first of them:
 * the order of `ls -R`. A node that disappears meanwhile is passed over.
 * @throws ShellError when the path does not exist
 */
export async function* nodesFrom(
  session: RawSession,
  path: string,
  watch = false,
): AsyncGenerator<string> {
  const names = await about(path, childrenOf(session, path, watch));
  yield path;
  yield* below(session, path, names, watch);
}

async function* below(
  session: RawSession,
  path: string,
  names: readonly string[],
  watch: boolean,
): AsyncGenerator<string> {
  const paths = names.map((name) => childPath(path, name));
  yield* paths;
  for (const child of paths) {
    const grandchildren = await about(child, childrenOf(session, child, watch).catch(noneIfGone));
    yield* below(session, child, grandchildren, watch);
  }
}

/** Breadth first: in reverse, every node comes before its parent. */
export async function breadthFirst(session: RawSession, path: string): Promise<readonly string[]> {
  const found = [path];
  // The list grows while it is walked.
  for (const parent of found) {
    const names = childrenOf(session, parent, false);
    const present = parent === path ? names : names.catch(noneIfGone);
    for (const name of await about(parent, present)) found.push(childPath(parent, name));
  }
  return found;
}

async function childrenOf(session: RawSession, path: string, watch: boolean): Promise<string[]> {
  const { children } = await session.call(operations.getChildren, { path, watch });
  return [...children].sort();
}

function noneIfGone(failure: unknown): string[] {
  if (failure instanceof ZooKeeperError && failure.code === 'NO_NODE') return [];
  throw failure;
}
