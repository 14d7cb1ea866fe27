import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Recency, type Recent } from '../../src/log/recency.ts';

interface Named extends Recent<Named> {
  readonly name: number;
}

const named = (name: number): Named => ({ name, older: null, newer: null });

function inOrder(recency: Recency<Named>): number[] {
  const names: number[] = [];
  let last: Named | null = null;
  for (let each = recency.oldest; each !== null; each = each.newer) {
    expect(each.older).toBe(last);
    last = each;
    names.push(each.name);
  }
  return names;
}

test('the order of last use is that of a list, whatever comes, is used and goes', () => {
  const step = fc.tuple(fc.constantFrom('use', 'remove'), fc.nat(7));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const recency = new Recency<Named>();
      const there = new Map<number, Named>();
      let model: number[] = [];
      for (const [kind, name] of steps) {
        const known = there.get(name);
        const each = known ?? named(name);
        model = model.filter((other) => other !== name);
        if (kind === 'use') {
          if (known === undefined) recency.add(each);
          else recency.use(each);
          there.set(name, each);
          model.push(name);
        } else if (known !== undefined) {
          recency.remove(each);
          there.delete(name);
          expect(each).toEqual(named(name));
        }
        expect(inOrder(recency)).toEqual(model);
      }
    }),
  );
});
