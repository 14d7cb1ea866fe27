/** How failures to write the offsets topic are told to members: kafka-groups, OffsetCommit. */
import { expect, test } from '@jest/globals';
import { errorCodes, kafkaErrorOf } from '@odradek/protocol';
import { commitError, storeError } from '../../src/group/write-errors.ts';

test.each([
  [3, 15, 15],
  [19, 15, 15],
  [20, 15, 15],
  [6, 16, 16],
  [56, 16, 16],
  [10, 28, -1],
  [18, 28, -1],
  [4, 28, -1],
  [13, 14, 14],
  [7, 7, 27],
  [2, 2, 2],
])('%i is %i for a commit and %i for a group', (error, forCommit, forGroup) => {
  const name = kafkaErrorOf(error);
  expect(errorCodes[commitError(name)]).toBe(forCommit);
  expect(errorCodes[storeError(name)]).toBe(forGroup);
});
