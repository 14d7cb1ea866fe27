/** Goal: an operator's file is read as the original reads it, and refused with a sentence that helps. */
import { expect, test } from '@jest/globals';
import { ConfigError, parseProperties } from '@odradek/runtime';
import { type ReadZooCfg, readZooCfg } from '../../src/index.ts';

const read = (text: string): ReadZooCfg =>
  readZooCfg(parseProperties(text, 'zoo.cfg'), { source: 'zoo.cfg', homeDirectory: '/home/me' });

test('the defaults of the original, and those that hang on tickTime', () => {
  expect(read('dataDir=~/zk').values).toMatchObject({
    dataDir: '/home/me/zk',
    dataLogDir: '/home/me/zk',
    clientPort: 2181,
    tickTime: 3000,
    minSessionTimeout: 6000,
    maxSessionTimeout: 60_000,
    maxClientCnxns: 60,
    snapCount: 100_000,
    'jute.maxbuffer': 1_048_575,
  });
  expect(read('dataDir=/d\ntickTime=2000\nmaxSessionTimeout=-1').values).toMatchObject({
    minSessionTimeout: 4000,
    maxSessionTimeout: 40_000,
  });
});

test.each([
  { text: '', says: /dataDir is missing/ },
  { text: 'dataDir=/d\nclientPort=99999', says: /zoo\.cfg:2: clientPort=99999: must be .*65535/ },
  { text: 'dataDir=/d\ntickTime=0', says: /zoo\.cfg:2: tickTime=0/ },
  { text: 'dataDir=/d\nskipACL=maybe', says: /skipACL=maybe: must be one of yes, no/ },
  {
    text: 'dataDir=/d\nminSessionTimeout=9000\nmaxSessionTimeout=8000',
    says: /zoo\.cfg:2: minSessionTimeout=9000: .*at most maxSessionTimeout \(8000\)/,
  },
  {
    text: 'dataDir=/d\nserver.1=a:2182:2183\nserver.2=b:2182:2183',
    says: /zoo\.cfg:3: server\.2=b:2182:2183: this version runs alone/,
  },
  { text: 'dataDir=/d\nserver.1=a:1:2:observer', says: /an observer needs an ensemble/ },
  { text: 'dataDir=/d\nsslQuorum=true', says: /cannot enforce/ },
])('refused: $text', ({ text, says }) => {
  expect(() => read(text)).toThrow(ConfigError);
  expect(() => read(text)).toThrow(says);
});

test('one server line is a server alone; keys without effect are told, unknown ones guessed', () => {
  const { warnings } = read(
    'dataDir=/d\nserver.1=a:2182:2183\ninitLimit=5\nadmin.enableServer=true\nadmin.serverPort=8080\nmaxClientCnxn=1',
  );
  expect(warnings).toEqual([
    expect.stringMatching(/zoo\.cfg:6: unknown key maxClientCnxn.*maxClientCnxns/),
    'without effect: initLimit (they are about an ensemble, and this server is alone)',
  ]);
});
