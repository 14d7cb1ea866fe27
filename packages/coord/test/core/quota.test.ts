/** Goal: usage below a quota is counted as the original counts it, also after recovery. */
import { expect, test } from '@jest/globals';
import { Tree } from '../../src/core/tree/tree.ts';
import { create, remove, SESSION, State, set } from '../support/state.ts';

const STATS = '/zookeeper/quota/q/zookeeper_stats';
const usage = (tree: Tree): string => String(tree.get(STATS)?.data);

function limited(): State {
  const state = new State();
  state.write(create('/q', 0, '12345'));
  state.write(create('/q/a', 0, 'xyz'));
  state.write(create('/zookeeper/quota/q'));
  state.write(create('/zookeeper/quota/q/zookeeper_limits', 0, 'count=5,bytes=-1'));
  state.write(create(STATS, 0, 'count=0,bytes=0'));
  return state;
}

test('usage is counted when its node is made, and follows every change below', () => {
  const state = limited();
  expect(usage(state.tree)).toBe('count=2,bytes=8');
  state.write(create('/q/e', 1, '1234567890'));
  expect(usage(state.tree)).toBe('count=3,bytes=18');
  state.write(set('/q/a', -1, 'a'));
  expect(usage(state.tree)).toBe('count=3,bytes=16');
  state.write({ kind: 'closeSession' });
  expect(usage(state.tree)).toBe('count=2,bytes=6');
  state.openSession(SESSION);
  state.write(remove('/q/a'));
  expect(usage(state.tree)).toBe('count=1,bytes=5');
  state.write(create('/qq', 0, 'elsewhere'));
  expect(usage(state.tree)).toBe('count=1,bytes=5');
  expect(state.tree.get(STATS)).toMatchObject({ version: 0, dataLength: 15 });
});

test('without limits, or without its node, nothing is counted', () => {
  const state = limited();
  state.write(remove(STATS));
  state.write(create('/q/b', 0, 'b'));
  expect(state.tree.get(STATS)).toBeUndefined();
  state.write(create(STATS));
  expect(usage(state.tree)).toBe('count=3,bytes=9');
  state.write(remove('/zookeeper/quota/q/zookeeper_limits'));
  state.write(create('/q/c', 0, 'c'));
  expect(usage(state.tree)).toBe('count=3,bytes=9');
});

test('what a replay counted twice is counted anew', () => {
  const state = limited();
  const tree = new Tree();
  for (const node of state.tree.stored()) tree.restore(node);
  tree.setData(STATS, Buffer.from('count=99,bytes=99'), 0, 1n, 1);
  tree.recovered();
  expect(usage(tree)).toBe('count=2,bytes=8');
});
