/**
 * Who owns a data directory: `meta.properties` with cluster and broker id, and who owns a
 * partition's folder: `partition.metadata` with the topic id. Kafka's own text, version 0 each.
 */
import path from 'node:path';
import { ConfigError, type Disk } from '@odradek/runtime';
import { META_PROPERTIES_FILE, PARTITION_METADATA_FILE } from './file-names.ts';
import { LogDamaged } from './log-types.ts';

/**
 * Checks that a data directory is ours, and takes it when it is nobody's.
 * @param wroteAtMs wall time, for the comment that Java's property writer leaves
 * @throws ConfigError when another cluster or broker wrote it, or a format that we do not share
 */
export async function claimDirectory(
  disk: Disk,
  directory: string,
  owner: { readonly clusterId: string; readonly brokerId: number },
  wroteAtMs: number,
): Promise<void> {
  const file = path.join(directory, META_PROPERTIES_FILE);
  const content = await disk.readFile(file);
  const found = content === null ? new Map<string, string>() : parse(content.toString('utf8'));
  if (content !== null) checkOwner(file, found, owner);
  if (found.has('cluster.id') && found.has('broker.id')) return;
  const ours = new Map([
    ['broker.id', String(owner.brokerId)],
    ['version', '0'],
    ['cluster.id', owner.clusterId],
  ]);
  const lines = [...new Map([...ours, ...found, ...ours])].map(([key, value]) => `${key}=${value}`);
  await disk.replaceFile(file, `#\n#${javaDate(wroteAtMs)}\n${lines.join('\n')}\n`);
}

/** As Java's `Date` prints itself in UTC: Tue Nov 14 22:13:20 UTC 2023. */
function javaDate(atMs: number): string {
  const [day = '', date, month, year, time] = new Date(atMs).toUTCString().split(' ');
  return `${day.replace(',', '')} ${month} ${date} ${time} UTC ${year}`;
}

function checkOwner(
  file: string,
  found: ReadonlyMap<string, string>,
  owner: { readonly clusterId: string; readonly brokerId: number },
): void {
  const version = found.get('version');
  if (version !== '0') {
    throw new ConfigError(
      `${file}: version=${version ?? ''}, but a broker that registers in a coordinator writes version=0; ` +
        'this directory belongs to a broker in KRaft mode',
    );
  }
  const clusterId = found.get('cluster.id');
  if (clusterId !== undefined && clusterId !== owner.clusterId) {
    throw new ConfigError(
      `${file}: this log directory belongs to cluster ${clusterId}, the coordinator belongs to cluster ${owner.clusterId}; ` +
        'check zookeeper.connect and log.dirs',
    );
  }
  const brokerId = found.get('broker.id');
  if (brokerId !== undefined && brokerId !== String(owner.brokerId)) {
    throw new ConfigError(
      `${file}: this log directory belongs to broker.id=${brokerId}, this broker is configured as broker.id=${owner.brokerId}`,
    );
  }
}

/** The broker id that a directory was written by, or null: for brokers that are given no id. */
export async function recordedBrokerId(disk: Disk, directory: string): Promise<number | null> {
  const content = await disk.readFile(path.join(directory, META_PROPERTIES_FILE));
  const id = content === null ? undefined : parse(content.toString('utf8')).get('broker.id');
  return id === undefined || !/^\d+$/.test(id) ? null : Number(id);
}

/** Keys in the order of the file; values as they stand: ids hold nothing that Java would escape. */
function parse(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*([^#!=\s][^=\s]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) properties.set(match[1], match[2]);
  }
  return properties;
}

/**
 * The topic id that a partition.metadata names.
 * @param file for messages
 */
export function decodeTopicId(content: Buffer, file: string): string {
  const text = content.toString('utf8');
  const id = /^version: 0\ntopic_id: ([A-Za-z0-9_-]{22})\n?$/.exec(text)?.[1];
  if (id === undefined) throw new LogDamaged(`${file}: not a partition.metadata of version 0`);
  return id;
}

export function writeTopicId(disk: Disk, folder: string, topicId: string): Promise<void> {
  const file = path.join(folder, PARTITION_METADATA_FILE);
  return disk.replaceFile(file, `version: 0\ntopic_id: ${topicId}`);
}
