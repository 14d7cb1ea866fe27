/**
 * What a broker settles with the coordination service before anything else: the folders every
 * Kafka cluster has there, the cluster's id, and, when it has none yet, the broker's own id.
 */
import { ConfigError, type Random } from '@odradek/runtime';
import type { BrokerConfig } from '../config/broker-config.ts';
import { type Coordination, hasCode, persist } from './coordination.ts';
import { randomUuid } from './uuid.ts';
import { paths, persistentPaths } from './znode-paths.ts';
import { decodeClusterId, encodeClusterId } from './znodes.ts';

/** Creates the top-level znodes (and the chroot) that are not there. */
export async function createTopLevelNodes(session: Coordination): Promise<void> {
  await session.ensurePath('/');
  await Promise.all(persistentPaths.map((path) => session.ensurePath(path)));
}

/** Reads the cluster's id; the first broker makes it. */
export async function settleClusterId(session: Coordination, random: Random): Promise<string> {
  for (;;) {
    const node = await session.get(paths.clusterId);
    if (node !== null) return decodeClusterId(node.data);
    await session.ensurePath('/cluster');
    try {
      const data = encodeClusterId(randomUuid(random));
      await persist(session, () => session.create(paths.clusterId, data));
    } catch (error) {
      if (!hasCode(error, 'NODE_EXISTS')) throw error;
    }
  }
}

/**
 * The broker's id: what is configured, else what its log directories say, else a generated one.
 * @param storedId from meta.properties; null when there is none
 * @throws ConfigError when these contradict each other, or no id may be generated
 */
export async function settleBrokerId(
  session: Coordination,
  config: BrokerConfig,
  storedId: number | null,
): Promise<number> {
  const { values } = config;
  const configured = values['broker.id'];
  if (configured >= 0) {
    if (storedId !== null && storedId !== configured)
      throw new ConfigError(
        `broker.id=${configured}, but the log directories belong to broker ${storedId}: use its id, or other log.dirs`,
      );
    return configured;
  }
  if (storedId !== null) return storedId;
  if (!values['broker.id.generation.enable'])
    throw new ConfigError('broker.id is not set, and broker.id.generation.enable=false');
  // Every write raises the version, so nobody else ever gets this number.
  const stat = await persist(session, () => session.set(paths.brokerSequence, null));
  return stat.version + values['reserved.broker.max.id'];
}
