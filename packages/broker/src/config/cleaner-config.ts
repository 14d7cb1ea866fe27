/** What the log cleaner is told, out of the broker's settings as they hold now. */
import { InvariantViolation } from '@odradek/runtime';
import type { CleanerSettings } from '../log/compaction/log-cleaner.ts';
import type { BrokerKey } from './broker-config.ts';
import type { BrokerSettings } from './topic-config.ts';

/** Settings of the cleaner that can be changed while brokers run. */
export const cleanerKeys = [
  'log.cleaner.threads',
  'log.cleaner.dedupe.buffer.size',
  'log.cleaner.io.buffer.load.factor',
  'log.cleaner.io.buffer.size',
  'log.cleaner.io.max.bytes.per.second',
  'log.cleaner.backoff.ms',
] as const satisfies readonly BrokerKey[];

export function cleanerSettingsOf(broker: BrokerSettings): CleanerSettings {
  const numberOf = (key: (typeof cleanerKeys)[number]): number => {
    const value = broker.value(key);
    if (typeof value !== 'number') throw new InvariantViolation(`${key} is a number`);
    return value;
  };
  return {
    threads: numberOf('log.cleaner.threads'),
    dedupeBufferBytes: numberOf('log.cleaner.dedupe.buffer.size'),
    loadFactor: numberOf('log.cleaner.io.buffer.load.factor'),
    ioBufferBytes: numberOf('log.cleaner.io.buffer.size'),
    bytesPerSecond: numberOf('log.cleaner.io.max.bytes.per.second'),
    backoffMs: numberOf('log.cleaner.backoff.ms'),
  };
}
