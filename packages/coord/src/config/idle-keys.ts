/**
 * Keys of the original that are taken and change nothing here, each with the reason: an operator's
 * file is not refused for them, and the log says which they are.
 */

export interface IdleKeys {
  /** Names; `*` at the end stands for anything. */
  readonly keys: readonly string[];
  /** Why they change nothing, as a clause. */
  readonly why: string;
}

export const idleKeys: readonly IdleKeys[] = [
  {
    keys: ['leaderServes', 'observerMasterPort', 'syncEnabled', 'observer.syncEnabled'],
    why: 'every server takes clients, and observers learn from the leader and keep a log of their own',
  },
  {
    keys: [
      'commitLogCount',
      'snapshotSizeFactor',
      'leader.*',
      'learner.closeSocketAsync',
      'observer.*',
    ],
    why: 'how learners are brought up to date is bounded in bytes, and nothing waits there by the clock',
  },
  {
    keys: [
      'electionPort',
      'electionPortBindRetry',
      'quorumCnxnTimeoutMs',
      'quorum.cnxn.threads.size',
      'multiAddress.*',
      'tcpKeepAlive',
    ],
    why: 'links between servers watch themselves, and all addresses of a server line are tried',
  },
  { keys: ['oraclePath'], why: 'there is no arbiter; a weight says which server decides alone' },
  {
    keys: [
      'nio.numSelectorThreads',
      'nio.numWorkerThreads',
      'nio.shutdownTimeout',
      'nio.directBufferBytes',
      'netty.*',
      'serverCnxnFactory',
      'commitProcessor.*',
      'jvm.*',
      'watchManagerName',
      'watcherClean*',
      'maxInProcessingDeadWatchers',
      'bitHashCacheSize',
      'maxResponseCacheSize',
      'maxGetChildrenResponseCacheSize',
      'learner.asyncSending',
      'metricsProvider.numWorkerThreads',
      'metricsProvider.maxQueueSize',
      'metricsProvider.workerShutdownTimeoutMs',
    ],
    why: 'they set up threads and caches that are not there',
  },
  {
    keys: ['flushDelay', 'maxWriteQueuePollTime'],
    why: 'everything that waits is always written and synced together',
  },
  {
    keys: [
      'requestThrottle*',
      'request_throttle_*',
      'throttledOpWaitTime',
      'largeRequestThreshold',
      'largeRequestMaxBytes',
    ],
    why: 'the bytes of waiting requests are bounded, and connections are held back by globalOutstandingLimit',
  },
  {
    keys: [
      'connectionMaxTokens',
      'connectionToken*',
      'connectionFreezeTime',
      'connectionDrop*',
      'connectionDecreaseRatio',
      'connection_throttle_*',
    ],
    why: 'new connections are bounded by maxClientCnxns and maxCnxns',
  },
  {
    keys: ['clientPortListenBacklog', 'clientTcpKeepAlive'],
    why: 'the backlog is 1024 and keep-alive is on',
  },
  { keys: ['enableEagerACLCheck'], why: 'permissions are checked where writes are prepared' },
  { keys: ['emulate353TTLNodes'], why: 'there are no nodes of that version' },
  { keys: ['audit.*'], why: 'there is no audit log' },
  {
    keys: [
      'serializeLastProcessedZxid.enabled',
      'snapshot.compression.method',
      'snapshot.trust.empty',
      'datadir.autocreate',
      'jute.maxbuffer.extrasize',
    ],
    why: 'files have another format, with checksums of their own, and the server’s own records no limit',
  },
  {
    keys: [
      'admin.portUnification',
      'admin.forceHttps',
      'admin.needClientAuth',
      'admin.rateLimiterIntervalInMS',
      'admin.snapshot.*',
      'admin.restore.*',
    ],
    why: 'the admin pages are plain HTTP, and snapshots are taken by odradek coord-backup',
  },
];

/** The group that a key belongs to. */
export function idleGroupOf(key: string): IdleKeys | undefined {
  return idleKeys.find(({ keys }) =>
    keys.some((name) => (name.endsWith('*') ? key.startsWith(name.slice(0, -1)) : key === name)),
  );
}
