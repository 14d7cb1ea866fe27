/** Goal: members are read and written as the original does, and what cannot work is refused in one sentence. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  formatEnsemble,
  InvalidEnsemble,
  parseEnsemble,
  weightIn,
} from '../../../src/core/quorum/ensemble.ts';
import { anyEnsemble } from './ensembles.ts';

const canonical = [
  'server.1=host1:2182:2183:participant;0.0.0.0:2181',
  'server.2=[2001:db8::2]:2182:2183:participant;[::1]:2181',
  'server.3=host3:2182:2183|other3:2182:2183:observer',
  'server.10=10.0.0.1:2182:2183:participant',
  'group.1=1:2',
  'group.2=10',
  'weight.1=2',
  'version=100000003',
].join('\n');

test('the canonical text is read and written as it is', () => {
  expect(formatEnsemble(parseEnsemble(canonical))).toBe(canonical);
});

test('short forms, blanks, comments and any order become the canonical text', () => {
  const text = `
    # the members
    weight.1=2
    server.10 = 10.0.0.1:2182:2183
    server.2=[2001:db8::2]:2182:2183;[::1]:2181
    group.2=10
    server.3=host3:2182:2183:observer|other3:2182:2183:OBSERVER
    server.1=host1:2182:2183:participant;2181
    group.1=2:1
    version=100000003`;
  expect(formatEnsemble(parseEnsemble(text))).toBe(canonical);
});

test('what nobody said weighs 1, and who does not vote weighs nothing', () => {
  const ensemble = parseEnsemble(canonical);
  expect([1, 2, 3, 10, 77].map((id) => weightIn(ensemble, id))).toEqual([2, 1, 0, 1, 0]);
});

const three = ['server.1=a:1:2', 'server.2=b:1:2', 'server.3=c:1:2'];

test.each([
  { lines: [], says: /no member is named; at least one server\.N line/ },
  { lines: ['dataDir=/d'], says: /^m:1: dataDir=\/d: only server\.N/ },
  {
    lines: ['server.x=a:1:2'],
    says: /^m:1: server\.x=a:1:2: the id "x" must be a number from 0 to 255$/,
  },
  { lines: ['server.256=a:1:2'], says: /from 0 to 255/ },
  {
    lines: ['server.1=a:1:2', 'server.01=b:1:2'],
    says: /^m:2: .*server\.1 is given already at m:1/,
  },
  { lines: ['server.1=a'], says: /must be host:replicationPort:electionPort/ },
  { lines: ['server.1=a:1'], says: /must be host:replicationPort:electionPort/ },
  { lines: ['server.1=a:1:2:participant:9'], says: /must be host:replicationPort/ },
  { lines: ['server.1=a:1:x'], says: /the election port "x" must be a number from 1 to 65535/ },
  { lines: ['server.1=a:0:2'], says: /the replication port "0"/ },
  { lines: ['server.1=a:1:65536'], says: /the election port "65536"/ },
  { lines: ['server.1=a:1:1'], says: /two different ports/ },
  { lines: ['server.1=2001:db8::1:1:2'], says: /IPv6 .*in brackets/ },
  { lines: ['server.1=:1:2'], says: /the host "" must be/ },
  { lines: ['server.1=a:1:2:voter'], says: /the role "voter" must be participant or observer/ },
  { lines: ['server.1=a:1:2:observer|b:1:2:participant'], says: /same role/ },
  { lines: ['server.1=a:1:2;3;4'], says: /one ";"/ },
  { lines: ['server.1=a:1:2;x'], says: /the client port "x"/ },
  { lines: ['server.1=a:1:2;h:1:2'], says: /must be host:/ },
  {
    lines: ['server.1=a:1:2', 'server.2=A:2:3'],
    says: /^m:2: .*A:2 is the election port of server\.1 already/,
  },
  { lines: ['server.1=a:1:2', 'server.2=a:3:4;2'], says: /a:2 is the election port of server\.1/ },
  { lines: ['server.1=a:1:2;1'], says: /a:1 is the replication port of server\.1/ },
  { lines: ['server.1=a:1:2;7', 'server.2=a:3:4;7'], says: /a:7 is the client port of server\.1/ },
  { lines: ['server.1=a:1:2:observer'], says: /all servers are observers/ },
  { lines: [...three, 'weight.4=1'], says: /^m:4: weight\.4=1: there is no server\.4/ },
  {
    lines: [...three, 'weight.1=-1'],
    says: /^m:4: weight\.1=-1: a weight must be a whole number from 0/,
  },
  { lines: [...three, 'weight.1=1.5'], says: /a weight must be a whole number/ },
  { lines: [...three, 'weight.1=9999999'], says: /from 0 to 1000000/ },
  {
    lines: [...three, 'weight.1=1', 'weight.1=2'],
    says: /^m:5: .*weight\.1 is given already at m:4/,
  },
  {
    lines: [...three, 'weight.1=0', 'weight.2=0', 'weight.3=0'],
    says: /^m:4: .*all weights are 0/,
  },
  {
    lines: [...three, 'server.4=d:1:2:observer', 'weight.4=1'],
    says: /server\.4 is an observer and has no vote/,
  },
  {
    lines: [...three, 'group.1=1:2'],
    says: /^m:4: .*every participant must be in one; server\.3 is in none/,
  },
  { lines: [...three, 'group.1=1:2:3:4'], says: /there is no server\.4/ },
  { lines: [...three, 'group.1=1:2:3:3'], says: /server\.3 is named twice/ },
  {
    lines: [...three, 'group.1=1:2', 'group.2=2:3'],
    says: /^m:5: .*server\.2 is in group\.1 as well/,
  },
  { lines: [...three, 'group.1='], says: /the id "" must be a number/ },
  {
    lines: [...three, 'group.1=1:2:3', 'server.4=d:1:2:observer', 'group.2=4'],
    says: /server\.4 is an observer/,
  },
  {
    lines: [...three, 'version=xyz'],
    says: /^m:4: version=xyz: the version must be a hexadecimal number/,
  },
])('refused: $lines', ({ lines, says }) => {
  const read = (): unknown => parseEnsemble(lines.join('\n'), 'm');
  expect(read).toThrow(InvalidEnsemble);
  expect(read).toThrow(says);
});

test('three servers on one host with ports of their own are an ensemble', () => {
  const text = 'server.1=h:1:2;3\nserver.2=h:4:5;6\nserver.3=h:7:8;9';
  expect(parseEnsemble(text).servers.size).toBe(3);
});

test('whatever is written is read back as it was', () => {
  fc.assert(
    fc.property(anyEnsemble, (ensemble) => {
      expect(parseEnsemble(formatEnsemble(ensemble))).toEqual(ensemble);
    }),
  );
});
