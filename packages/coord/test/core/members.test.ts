/** Goal: a change of members is known from any other write of the config node, in records and in the node. */
import { expect, test } from '@jest/globals';
import {
  membersOfNode,
  membersOfRecord,
  versionOf,
  withVersion,
} from '../../src/core/transaction/members.ts';
import { CONFIG_PATH } from '../../src/core/tree/tree.ts';

const members = 'server.1=a:1:2:participant;0.0.0.0:3';
const at = (zxid: bigint, text: string, path = CONFIG_PATH): string | null =>
  membersOfRecord({
    zxid,
    timeMs: 0,
    sessionId: 0n,
    change: { kind: 'setData', path, data: Buffer.from(text), version: 1 },
  });

test('only a text whose version is the zxid of its own transaction is one', () => {
  const text = `${members}\nversion=1f`;
  expect(at(0x1fn, text)).toBe(text);
  expect(at(0x20n, text)).toBeNull();
  expect(at(0x1fn, text, '/other')).toBeNull();
  expect(at(0x1fn, `${members}\nversion=1f\n`)).toBeNull();
  expect(at(0x1fn, 'version=1f')).toBeNull();
  expect(membersOfNode({ data: Buffer.from(text), mzxid: 0x1fn })).toBe(text);
  // What comes from a file is shown in the node, and no transaction made it.
  expect(membersOfNode({ data: Buffer.from(`${members}\nversion=0`), mzxid: 0n })).toBeNull();
  expect(membersOfNode({ data: Buffer.alloc(0), mzxid: 0n })).toBeNull();
  expect(membersOfNode(undefined)).toBeNull();
});

test('the version of a text, and the same members as of another transaction', () => {
  expect([versionOf(members), versionOf(`${members}\nversion=1f`)]).toEqual([0n, 0x1fn]);
  expect(withVersion(`${members}\nversion=1f`, 0x200n)).toBe(`${members}\nversion=200`);
  expect(withVersion(members, 1n)).toBe(`${members}\nversion=1`);
});
