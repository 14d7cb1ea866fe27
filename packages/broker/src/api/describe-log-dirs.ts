/**
 * DescribeLogDirs (key 35): what lies in each of log.dirs, and how much room there is. A directory
 * that has failed is told as such, without its partitions.
 *
 * A replica that is being moved is told twice: where it is, and as a future replica where it goes, with
 * how far that is behind. No directory is ever cordoned.
 */
import { apis, type DescribeLogDirsRequest, errorCodes } from '@odradek/protocol';
import { type Disk, DiskError } from '@odradek/runtime';
import type { FutureLogs } from '../log/future-logs.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export interface DescribeLogDirsParts {
  readonly logs: Pick<LogManager, 'directories' | 'all' | 'get'> & {
    readonly futures: Pick<FutureLogs, 'all'>;
  };
  readonly disk: Pick<Disk, 'space'>;
}

const UNKNOWN_BYTES = -1;
const UNKNOWN_LAG = -1;

export function describeLogDirsHandler({ logs, disk }: DescribeLogDirsParts): RegisteredHandler {
  return handler(apis.describeLogDirs, [0, 5], async (request) => {
    const isWanted = wantedBy(request);
    const results = logs.directories.map(async ({ path, online }) => {
      if (!online) return failed(path);
      try {
        const { totalBytes, usableBytes } = await disk.space(path);
        const inside = [...logs.all(), ...logs.futures.all()].filter(
          (log) => log.directory === path && isWanted(log),
        );
        return {
          errorCode: 0,
          logDir: path,
          topics: topicsOf(inside, logs),
          totalBytes,
          usableBytes,
        };
      } catch (failure) {
        if (failure instanceof DiskError) return failed(path);
        throw failure;
      }
    });
    return { throttleTimeMs: 0, errorCode: 0, results: await Promise.all(results) };
  });
}

function failed(path: string) {
  return {
    errorCode: errorCodes.KAFKA_STORAGE_ERROR,
    logDir: path,
    topics: [],
    totalBytes: UNKNOWN_BYTES,
    usableBytes: UNKNOWN_BYTES,
  };
}

/** No list of topics means all; a topic without partitions means none of them. */
function wantedBy({ topics }: DescribeLogDirsRequest): (log: PartitionLog) => boolean {
  if (topics === null) return () => true;
  const wanted = new Set(
    topics.flatMap(({ topic, partitions }) => partitions.map((index) => `${topic}-${index}`)),
  );
  return ({ topic, partition }) => wanted.has(`${topic}-${partition}`);
}

function topicsOf(inside: readonly PartitionLog[], logs: DescribeLogDirsParts['logs']) {
  const topics = new Map<string, ReturnType<typeof partitionOf>[]>();
  for (const log of inside) {
    const partitions = topics.get(log.topic) ?? [];
    topics.set(log.topic, partitions);
    partitions.push(partitionOf(log, logs.get(log.topic, log.partition)));
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }));
}

function partitionOf(log: PartitionLog, current: PartitionLog | undefined) {
  const isFutureKey = log !== current;
  return {
    partitionIndex: log.partition,
    partitionSize: log.sizeBytes,
    offsetLag: isFutureKey ? lagOfFuture(log, current) : lagOf(log),
    isFutureKey,
  };
}

/** How far the log is behind what is known to be replicated; the leader's never is. */
const lagOf = ({ highWatermark, logEndOffset }: PartitionLog): number =>
  Math.max(0, highWatermark - logEndOffset);

/** How far a copy is behind the log that it is made of, which may have failed. */
const lagOfFuture = (log: PartitionLog, current: PartitionLog | undefined): number =>
  current === undefined ? UNKNOWN_LAG : current.logEndOffset - log.logEndOffset;
