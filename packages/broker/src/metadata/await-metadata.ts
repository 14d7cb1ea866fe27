/**
 * Waiting for this broker's own picture of the cluster to show something, such as that every
 * partition of a new topic has a leader.
 */
import { type Environment, millis } from '@odradek/runtime';
import type { MetadataView } from './metadata-cache.ts';

/** Resolves with true once `holds`, or with false after `timeoutMs`. */
export function awaitMetadata(
  metadata: MetadataView,
  { clock, timers }: Pick<Environment, 'clock' | 'timers'>,
  timeoutMs: number,
  holds: () => boolean,
): Promise<boolean> {
  if (holds()) return Promise.resolve(true);
  if (timeoutMs <= 0) return Promise.resolve(false);
  return new Promise((resolve) => {
    const forget = metadata.onChange(() => {
      if (holds()) finish(true);
    });
    const disarm = timers.wakeAt(millis(clock.now() + timeoutMs), () => finish(false));
    const finish = (outcome: boolean): void => {
      forget();
      disarm();
      resolve(outcome);
    };
  });
}

/** Whether the topic has at least so many partitions, all of them with a live leader. */
export function isServed(metadata: MetadataView, topic: string, partitionCount: number): boolean {
  const partitions = metadata.topic(topic)?.partitions;
  if (partitions === undefined || partitions.size < partitionCount) return false;
  for (const { leader } of partitions.values())
    if (metadata.liveBroker(leader) === undefined) return false;
  return true;
}
