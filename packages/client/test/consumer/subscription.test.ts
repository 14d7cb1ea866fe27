/** What members tell each other, against Kafka's own bytes, of every version and of the future. */
import { expect, test } from '@jest/globals';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../src/consumer/subscription.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const topicsAndData = '00000002 0002 7431 0002 7432 00000002 7564';
const ownedPart = '00000001 0002 7431 00000002 00000000 00000003';
const owned = [0, 3].map((partition) => ({ topic: 't1', partition }));

test('our subscription is version 3', () => {
  expect(
    encodeSubscription({
      topics: ['t2', 't1'],
      owned,
      generation: 5,
      userData: Buffer.from('ud'),
      rackId: 'rackA',
    }),
  ).toEqual(hex(`0003 ${topicsAndData} ${ownedPart} 00000005 0005 7261636b41`));
});

test.each([
  { name: 'v0', bytes: `0000 ${topicsAndData}`, has: { owned: [], generation: -1 } },
  { name: 'v1', bytes: `0001 ${topicsAndData} ${ownedPart}`, has: { owned, generation: -1 } },
  {
    name: 'v2',
    bytes: `0002 ${topicsAndData} ${ownedPart} 00000005`,
    has: { owned, generation: 5 },
  },
  {
    name: 'a later version with more behind',
    bytes: `0009 ${topicsAndData} ${ownedPart} 00000005 ffff 12345678`,
    has: { owned, generation: 5 },
  },
])('a subscription of $name', ({ bytes, has }) => {
  expect(decodeSubscription('m', 'i', hex(bytes))).toEqual({
    memberId: 'm',
    groupInstanceId: 'i',
    topics: ['t1', 't2'],
    userData: Buffer.from('ud'),
    ...has,
  });
});

test('assignments', () => {
  const bytes = hex(`0001 ${ownedPart} ffffffff`);
  expect(encodeAssignment(owned)).toEqual(bytes);
  expect(decodeAssignment(bytes)).toEqual(owned);
  expect(decodeAssignment(Buffer.alloc(0))).toEqual([]);
});
