/** Who talks to whom: every refusal as both sides read it, and differences that are only warned about. */
import { expect, test } from '@jest/globals';
import { parseEnsemble } from '../../src/core/quorum/ensemble.ts';
import { FRAME_HEADER_BYTES } from '../../src/peers/frame.ts';
import {
  decodeGreeting,
  encodeGreeting,
  encodeRefusal,
  type Greeting,
  judgeAnswer,
  judgeCaller,
} from '../../src/peers/greeting.ts';

const TEXT = ['server.1=a:2182:2183', 'server.2=b:2182:2183', 'server.3=c:2182:2183'].join('\n');
const members = parseEnsemble(TEXT);
const one: Greeting = {
  serverId: 1,
  dialedId: 2,
  clusterId: 'AAAA',
  fence: 0,
  ensembleText: TEXT,
};
const two: Greeting = { ...one, serverId: 2, dialedId: 1 };

test('greetings and refusals, both ways', () => {
  for (const greeting of [one, { ...two, clusterId: null, fence: 3 }]) {
    expect(decodeGreeting(encodeGreeting(greeting).subarray(FRAME_HEADER_BYTES))).toEqual(greeting);
  }
  expect(decodeGreeting(encodeRefusal('no').subarray(FRAME_HEADER_BYTES))).toEqual({
    refusal: 'no',
  });
});

test('two members of one ensemble talk, new ones too', () => {
  const fine = { refusal: null, fencedBy: null, difference: null };
  expect(judgeCaller(two, one, members)).toEqual(fine);
  expect(judgeAnswer(one, two, members)).toEqual(fine);
  expect(judgeCaller({ ...two, clusterId: null }, one, members)).toEqual(fine);
  expect(judgeCaller(two, { ...one, clusterId: null }, members)).toEqual(fine);
  expect(judgeCaller(two, { ...one, clusterId: null, fence: 0 }, members)).toEqual(fine);
});

test.each([
  [
    'somebody else was meant',
    two,
    { ...one, dialedId: 3 },
    /server 1 called server 3 and reached server 2: .*server\.3 line/,
  ],
  [
    'another ensemble',
    two,
    { ...one, clusterId: 'BBBB' },
    /server 1 belongs to another ensemble \(BBBB, not AAAA\)/,
  ],
  ['the same id twice', two, { ...one, serverId: 2 }, /two servers say that they are server 2/],
  [
    'left behind by a take-over',
    { ...two, fence: 2 },
    { ...one, fence: 1 },
    /server 1 was left behind by a take-over \(its fence is 1, ours 2\)/,
  ],
])('a caller is refused: %s', (_, self, caller, reason) => {
  const judgement = judgeCaller(self, caller, members);
  expect(judgement.refusal).toMatch(reason);
  expect(judgement.fencedBy).toBeNull();
});

test('an answer of somebody else is refused', () => {
  expect(judgeAnswer(one, { ...two, serverId: 3 }, members).refusal).toMatch(
    /server 1 called server 2 and server 3 answered/,
  );
});

test('whoever meets a higher fence is told, unless it has no data', () => {
  const ahead = { ...one, fence: 3 };
  expect(judgeCaller(two, ahead, members)).toMatchObject({
    fencedBy: 3,
    refusal: expect.stringMatching(/server 2 was left behind .*its fence is 0, that of server 1 3/),
  });
  expect(judgeCaller({ ...two, clusterId: null }, ahead, members)).toMatchObject({
    fencedBy: null,
    refusal: null,
  });
  expect(judgeCaller(ahead, { ...two, dialedId: 1, clusterId: null }, members).refusal).toBeNull();
});

test.each([
  [
    'an address',
    TEXT.replace('c:2182', 'd:2182'),
    /server 1 has other members .*server\.3 is c:2182:2183:participant here and d:2182:2183:participant there$/,
  ],
  ['a weight', `${TEXT}\nweight.1=3`, /weight\.1 is 3 there and missing here$/],
  [
    'a server',
    `${TEXT}\nserver.4=d:2182:2183:observer`,
    /server\.4 is d:2182:2183:observer there and missing here$/,
  ],
  [
    'many things',
    `${TEXT.replaceAll(':2183', ':2184')}\nweight.1=2\nweight.2=2`,
    /server\.1 .*server\.2 .*server\.3 .*and 2 more$/,
  ],
  ['what cannot be read', 'server.1=a', /members that server 1 goes by cannot be read/],
])('other members at the same version are named: %s', (_, text, expected) => {
  const judgement = judgeCaller(two, { ...one, ensembleText: text }, members);
  expect(judgement.refusal).toBeNull();
  expect(judgement.difference).toMatch(expected);
});

test('newer members are no difference', () => {
  const text = `${TEXT}\nweight.1=3\nversion=100000001`;
  expect(judgeCaller(two, { ...one, ensembleText: text }, members).difference).toBeNull();
});
