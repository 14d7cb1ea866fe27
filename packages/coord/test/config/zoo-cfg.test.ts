/** Goal: an operator's file is read as the original reads it, and refused with a sentence that helps. */
import { expect, test } from '@jest/globals';
import { ConfigError, parseProperties } from '@odradek/runtime';
import { idleGroupOf } from '../../src/config/idle-keys.ts';
import { type ReadZooCfg, readZooCfg, zooCfg } from '../../src/index.ts';

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
  { text: 'dataDir=/d\nserver.1=a:1:2:observer', says: /all servers are observers/ },
  { text: 'dataDir=/d\nelectionAlg=1', says: /zoo\.cfg:2: electionAlg=1: must be 3/ },
  {
    text: 'dataDir=/d\nquorum.auth.enableSasl=true',
    says: /zoo\.cfg:2: .*by certificates \(sslQuorum=true\)/,
  },
])('refused: $text', ({ text, says }) => {
  expect(() => read(text)).toThrow(ConfigError);
  expect(() => read(text)).toThrow(says);
});

test('one server line is a server alone; keys without effect are told, unknown ones guessed', () => {
  const { warnings } = read(
    'dataDir=/d\nserver.1=a:2182:2183\nleaderServes=no\nadmin.enableServer=true\nadmin.serverPort=8080\nmaxClientCnxn=1',
  );
  expect(warnings).toEqual([
    expect.stringMatching(/zoo\.cfg:6: unknown key maxClientCnxn.*maxClientCnxns/),
    expect.stringMatching(/^without effect: leaderServes \(every server takes clients/),
  ]);
});

test("the original's names of system properties are names of the keys", () => {
  const { values, warnings } = read(
    'dataDir=/d\nzookeeper.enforceQuota=true\nzookeeper.4lw.commands.whitelist=ruok, srvr\nzookeeper.nio.sessionlessCnxnTimeout=7',
  );
  expect(values).toMatchObject({
    enforceQuota: true,
    '4lw.commands.whitelist': ['ruok', 'srvr'],
    'nio.sessionlessCnxnTimeout': 7,
  });
  expect(warnings).toEqual([]);
});

test('keys that change nothing are told by their reason, and none of them is a key that does something', () => {
  const { warnings } = read(
    'dataDir=/d\nsnapshotSizeFactor=0.5\nzookeeper.leader.maxConcurrentSnapSyncs=3\nnetty.server.outstandingHandshake.limit=1\nflushDelay=0\nmetricsProvider.className=com.acme.Metrics',
  );
  expect(warnings).toEqual([
    expect.stringMatching(
      /^without effect: snapshotSizeFactor, leader\.maxConcurrentSnapSyncs \(how learners/,
    ),
    expect.stringMatching(/^without effect: netty\.server\.outstandingHandshake\.limit \(/),
    expect.stringMatching(/^without effect: flushDelay \(/),
    expect.stringContaining('com.acme.Metrics'),
  ]);
  expect(Object.keys(zooCfg).filter((key) => idleGroupOf(key) !== undefined)).toEqual([]);
});

test('the file is kept as it was, without its secrets', () => {
  const { values } = read(
    'dataDir=/d\nDigestAuthenticationProvider.superDigest=super:abc\nssl.keyStore.password=pw\nsnapCount=9',
  );
  expect(values.initialConfiguration).toBe(
    'dataDir=/d\nDigestAuthenticationProvider.superDigest=[hidden]\nssl.keyStore.password=[hidden]\nsnapCount=9\n',
  );
});

/** Every key of the reference's tables is known: as one with an effect, as one without, or as a member of an ensemble. */
test.each([
  'clientPort clientPortAddress secureClientPort secureClientPortAddress client.portUnification dataDir dataLogDir tickTime',
  'initLimit syncLimit connectToLearnerMasterLimit maxClientCnxns maxCnxns clientPortListenBacklog minSessionTimeout',
  'maxSessionTimeout autopurge.snapRetainCount autopurge.purgeInterval snapCount snapSizeLimitInKb txnLogSizeLimitInKb',
  'preAllocSize commitLogCount snapshot.compression.method fsync.warningthresholdms forceSync flushDelay',
  'maxWriteQueuePollTime maxBatchSize globalOutstandingLimit requestThrottleLimit request_throttle_max_requests',
  'requestThrottleStallTime requestThrottleDropStale throttledOpWaitTime maxResponseCacheSize',
  'maxGetChildrenResponseCacheSize enforceQuota extendedTypesEnabled emulate353TTLNodes skipACL enableEagerACLCheck',
  'localSessionsEnabled localSessionsUpgradingEnabled readonlymode.enabled leaderServes peerType observerMasterPort',
  'syncEnabled observer.syncEnabled standaloneEnabled reconfigEnabled dynamicConfigFile quorumListenOnAllIPs electionAlg',
  'cnxTimeout quorumCnxnTimeoutMs electionPortBindRetry fastleader.minNotificationInterval leader.maxTimeToWaitForEpoch',
  'leader.maxConcurrentSnapSyncs snapshotSizeFactor tcpKeepAlive clientTcpKeepAlive observer.reconnectDelayMs',
  'observer.election.DelayMs learner.asyncSending learner.closeSocketAsync leader.closeSocketAsync multiAddress.enabled',
  'oraclePath admin.enableServer admin.serverPort admin.rateLimiterIntervalInMS admin.snapshot.enabled',
  'metricsProvider.className metricsProvider.httpPort metricsProvider.exportJvmInfo audit.enable audit.impl.class',
  'jvm.pause.monitor jvm.pause.sleep.time.ms digest.enabled serializeLastProcessedZxid.enabled datadir.autocreate',
  'db.autocreate snapshot.trust.empty znode.container.checkIntervalMs connectionMaxTokens connection_throttle_tokens',
  'connectionTokenFillTime connectionTokenFillCount connectionFreezeTime connectionDropIncrease connectionDropDecrease',
  'connectionDecreaseRatio watchManagerName watcherCleanThreadsNum watcherCleanThreshold watcherCleanIntervalInSeconds',
  'maxInProcessingDeadWatchers bitHashCacheSize nio.numSelectorThreads nio.numWorkerThreads nio.directBufferBytes',
  'nio.sessionlessCnxnTimeout commitProcessor.numWorkerThreads serverCnxnFactory netty.advancedFlowControl.enabled',
  'jute.maxbuffer jute.maxbuffer.extrasize largeRequestThreshold largeRequestMaxBytes sslQuorumReloadCertFiles',
  'portUnification quorum.cnxn.threads.size fips-mode server.1 group.1 weight.1',
])('known: %s', (keys) => {
  const known = (key: string): boolean =>
    key in zooCfg || idleGroupOf(key) !== undefined || unknown(key).length === 0;
  expect(keys.split(' ').filter((key) => !known(key))).toEqual([]);
});

/** What is said about a key that nobody knows; a key whose value is refused is a known one. */
function unknown(key: string): readonly string[] {
  try {
    return read(`dataDir=/d\n${key}=1`).warnings.filter((text) => text.includes('unknown key'));
  } catch (error) {
    if (error instanceof ConfigError) return [];
    throw error;
  }
}
