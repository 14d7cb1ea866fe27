/**
 * All checkers over the evidence of one run.
 */
import type { SessionHistory } from '../keeper/history.ts';
import { checkAnswers } from './answers.ts';
import type { CommittedOrder } from './committed-order.ts';
import { checkFinalTrees, type SeenTree } from './final-tree.ts';
import type { Leaders } from './leaders.ts';
import { checkSessionOrder } from './session-order.ts';
import { checkSessions } from './sessions.ts';
import { VersionedTree } from './versioned-tree.ts';
import { checkWatches } from './watches.ts';

export interface Evidence {
  readonly order: CommittedOrder;
  readonly leaders: Leaders;
  readonly sessions: readonly SessionHistory[];
  /** Of each server, at the end. */
  readonly trees: readonly SeenTree[];
}

/** Breaches by the checker that found them. */
export interface Breach {
  readonly checker: string;
  readonly text: string;
}

export function judge({ order, leaders, sessions, trees }: Evidence): Breach[] {
  const tree = new VersionedTree(order.transactions);
  const links = sessions.flatMap((session) => session.links);
  const found: readonly (readonly [string, readonly string[]])[] = [
    ['agreement', order.breaches],
    ['leaders', leaders.breaches],
    ['transactions', tree.breaches],
    ['answers', checkAnswers(sessions, order, tree)],
    ['order', checkSessionOrder(sessions, order)],
    ['watches', checkWatches(links, tree)],
    ['sessions', checkSessions(sessions, tree)],
    ['final trees', checkFinalTrees(trees, tree)],
  ];
  return found.flatMap(([checker, texts]) => texts.map((text) => ({ checker, text })));
}
