/**
 * inter.broker.protocol.version: which versions of requests brokers use among each other, so that
 * brokers of several Kafka releases can be in one cluster while it is being upgraded.
 *
 * Releases before 2.8 are not spoken: from 2.8 on topics have ids, and leaders ask the controller
 * for every change of the ISR, which the whole control plane here builds on.
 */

/** A release, comparable: 3.2 is [3, 2]. */
export interface InterBrokerProtocol {
  readonly major: number;
  readonly minor: number;
}

const OLDEST: InterBrokerProtocol = { major: 2, minor: 8 };
const NEWEST: InterBrokerProtocol = { major: 3, minor: 9 };

/** Reads `3.9`, `3.9-IV0` or `3.9.1`; null for what is not a release that is spoken. */
export function parseInterBrokerProtocol(text: string): InterBrokerProtocol | null {
  const match = /^(\d)\.(\d{1,2})(?:\.\d{1,2})?(?:-IV\d{1,2})?$/.exec(text.trim());
  if (match === null) return null;
  const release = { major: Number(match[1]), minor: Number(match[2]) };
  const known = isAtLeast(release, OLDEST) && isAtLeast(NEWEST, release);
  return known ? release : null;
}

const isAtLeast = (one: InterBrokerProtocol, other: InterBrokerProtocol): boolean =>
  one.major > other.major || (one.major === other.major && one.minor >= other.minor);

/** The versions in which the controller and the brokers speak to each other. */
export interface ControlVersions {
  readonly leaderAndIsr: number;
  readonly updateMetadata: number;
  readonly stopReplica: number;
  readonly controlledShutdown: number;
  readonly alterPartition: number;
}

export function controlVersionsOf(release: InterBrokerProtocol): ControlVersions {
  const from = (major: number, minor: number): boolean => isAtLeast(release, { major, minor });
  return {
    leaderAndIsr: from(3, 4) ? 7 : from(3, 2) ? 6 : 5,
    updateMetadata: from(3, 4) ? 8 : 7,
    stopReplica: from(3, 4) ? 4 : 3,
    controlledShutdown: 3,
    alterPartition: from(3, 5) ? 3 : from(3, 2) ? 2 : 0,
  };
}
