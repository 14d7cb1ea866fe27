/** Goal: a server finds its place in its ensemble from three files, or says in one sentence what is missing where. */
import { expect, test } from '@jest/globals';
import { ConfigError, parseProperties } from '@odradek/runtime';
import {
  ensembleOf,
  loadMembership,
  type Membership,
  type MembershipFiles,
} from '../../src/config/ensemble-settings.ts';
import { parseEnsemble } from '../../src/core/quorum/ensemble.ts';
import { readZooCfg, type ZooCfg } from '../../src/index.ts';

const read = (text: string): ZooCfg =>
  readZooCfg(parseProperties(`dataDir=/d\n${text}`, 'zoo.cfg'), {
    source: 'zoo.cfg',
    homeDirectory: '/home/me',
  }).values;
const place = (text: string, files: Partial<MembershipFiles> = {}): Membership | null =>
  ensembleOf(read(text), { myid: null, dynamicConfig: null, ...files });

const three = 'server.1=a:2182:2183\nserver.2=b:2182:2183\nserver.3=c:2182:2183;2281';

test('times are in ms, with defaults where the original has none', () => {
  expect(read(`${three}\ntickTime=2000`).ensemble).toMatchObject({
    initMs: 20_000,
    syncMs: 10_000,
    connectToLeaderMs: 20_000,
    connectMs: 5_000,
    notificationMs: 200,
    notificationMsMax: 3_000,
    listenOnAllAddresses: false,
    readOnlyMode: false,
    trustEmptyDisk: false,
  });
  expect(
    read(
      `${three}\ntickTime=1000\ninitLimit=4\nsyncLimit=2\nconnectToLearnerMasterLimit=3\nreadonlymode.enabled=true\ndb.autocreate=true\nquorumListenOnAllIPs=true`,
    ).ensemble,
  ).toMatchObject({
    initMs: 4_000,
    syncMs: 2_000,
    connectToLeaderMs: 3_000,
    readOnlyMode: true,
    trustEmptyDisk: true,
    listenOnAllAddresses: true,
  });
});

test.each(['', 'server.1=a:2182:2183', 'standaloneEnabled=false'])('alone: %s', (text) => {
  expect(place(text)).toBeNull();
});

test('one server is an ensemble when it is not to be alone', () => {
  expect(place('server.1=a:1:2\nstandaloneEnabled=false', { myid: '1' })?.serverId).toBe(1);
});

test('who I am is in myid, and where clients come is in my line', () => {
  const membership = place(three, { myid: '3\n' });
  expect(membership).toMatchObject({
    serverId: 3,
    clientHost: null,
    clientPort: 2281,
    warnings: [],
  });
  expect(membership?.self.addresses[0]?.host).toBe('c');
  expect(place(`${three}\nclientPort=2381\nclientPortAddress=::1`, { myid: '1' })).toMatchObject({
    clientHost: '::1',
    clientPort: 2381,
  });
});

test('the number may stand in the configuration as well, and must be the same', () => {
  const text = `${three}\nodradek.serverId=2`;
  expect(place(text)?.serverId).toBe(2);
  expect(place(text, { myid: '2' })?.serverId).toBe(2);
  expect(() => place(text, { myid: '1' })).toThrow(
    'odradek.serverId=2, but /d/myid says 1: this may be the data of another server',
  );
  expect(() => place(`${three}\nodradek.serverId=7`)).toThrow(
    'odradek.serverId: this server is 7, and there is no server.7',
  );
});

test('members in a file of their own', () => {
  const text = `# the members\n${three}\nweight.1=2\nversion=a`;
  const files = { myid: '1', dynamicConfig: text };
  const membership = place('dynamicConfigFile=/etc/zoo.dynamic', files);
  expect(membership?.ensemble).toEqual(parseEnsemble(text));
  expect(place('dynamicConfigFile=/e', { dynamicConfig: 'server.1=a:1:2' })).toBeNull();
});

test.each([
  { text: three, files: {}, says: '/d/myid is missing: it must say in one line' },
  {
    text: three,
    files: { myid: 'one\n' },
    says: '/d/myid:1: "one" must be the number of this server',
  },
  { text: three, files: { myid: '' }, says: '/d/myid:1: "" must be the number' },
  { text: three, files: { myid: '256' }, says: 'from 0 to 255' },
  {
    text: three,
    files: { myid: '4' },
    says: '/d/myid: this server is 4, and there is no server.4 among the members (1, 2, 3)',
  },
  {
    text: `${three}\nserver.255=d:1:2\nextendedTypesEnabled=true`,
    files: { myid: '255' },
    says: 'must be from 1 to 254, not 255',
  },
  {
    text: `${three}\nclientPort=2181`,
    files: { myid: '3' },
    says: 'clientPort=2181 and the client port of server.3, 2281, must be the same',
  },
  {
    text: 'server.1=a:1:2;10.0.0.1:3\nserver.2=b:1:2\nclientPortAddress=10.0.0.2',
    files: { myid: '1' },
    says: 'clientPortAddress=10.0.0.2 and the client address of server.1, 10.0.0.1',
  },
  {
    text: 'dynamicConfigFile=/e',
    files: { myid: '1' },
    says: 'dynamicConfigFile=/e: there is no such',
  },
  {
    text: 'dynamicConfigFile=/e',
    files: { myid: '1', dynamicConfig: 'tickTime=2000' },
    says: '/e:1: tickTime=2000: only server.N',
  },
  {
    text: `dynamicConfigFile=/e\n${three}`,
    files: { myid: '1' },
    says: 'zoo.cfg:3: server.1=a:2182:2183: with dynamicConfigFile this line must stand in /e',
  },
  { text: `${three}\nweight.7=1`, files: {}, says: 'zoo.cfg:5: weight.7=1: there is no server.7' },
  { text: `${three}\nserver.2=d:1:2`, files: {}, says: 'server.2 is given already at zoo.cfg:3' },
])('refused: $says', ({ text, files, says }) => {
  expect(() => place(text, files)).toThrow(ConfigError);
  expect(() => place(text, files)).toThrow(says);
});

test('what is odd and works is told', () => {
  expect(place(`${three}\npeerType=observer`, { myid: '1' })?.warnings).toEqual([
    'peerType=observer: server.1 is a participant by its server line, which counts',
  ]);
  expect(place('server.1=a:1:2\nserver.2=b:1:2', { myid: '1' })?.warnings).toEqual([
    expect.stringMatching(/^no server may fail/),
  ]);
});

test('the files are read from the disk', async () => {
  const files = new Map([['/e', three]]);
  const disk = {
    readFile: async (path: string) => {
      const text = files.get(path);
      return text === undefined ? null : Buffer.from(text);
    },
  };
  const config = read('dynamicConfigFile=/e');
  await expect(loadMembership({ disk }, config)).rejects.toThrow('/d/myid is missing');
  files.set('/d/myid', '2');
  expect((await loadMembership({ disk }, config))?.serverId).toBe(2);
  expect(await loadMembership({ disk }, read(''))).toBeNull();
});

const store = 'ssl.quorum.keyStore.location=/k\nssl.quorum.trustStore.location=/t';

test('TLS between servers', () => {
  expect(read(`sslQuorum=true\n${store}`).security.quorumTls).toMatchObject({
    keyStore: { path: '/k', key: 'ssl.quorum.keyStore' },
    trustStore: { path: '/t' },
    clientAuthentication: 'need',
    verifyServerName: true,
    verifyClientAddress: true,
    alsoPlain: false,
    reload: false,
  });
  expect(read(store).security.quorumTls).toBeNull();
});

test.each([
  { text: 'sslQuorum=true', says: 'sslQuorum=true: TLS needs ssl.quorum.keyStore.location' },
  {
    text: 'sslQuorum=true\nssl.quorum.keyStore.location=/k',
    says: 'ssl.quorum.trustStore.location must say whose',
  },
  {
    text: 'sslQuorum=true\nssl.quorum.keyStore.location=/k\nssl.quorum.clientAuth=none',
    says: 'ssl.quorum.trustStore.location must say whose',
  },
  { text: 'portUnification=true', says: 'needs sslQuorum=true' },
  { text: `sslQuorum=true\n${store}\nssl.quorum.crl=true`, says: 'zoo.cfg:5: ssl.quorum.crl=true' },
])('TLS refused: $text', ({ text, says }) => {
  expect(() => read(text)).toThrow(says);
});
