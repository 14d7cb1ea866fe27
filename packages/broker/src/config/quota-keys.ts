/**
 * Settings of brokers that exist only while the cluster runs: they are given with AlterConfigs, never
 * in a file, and hold at once.
 */
import { atLeast, type ConfigType, type ValueRule } from '@odradek/runtime';

/** Bytes per second that a broker copies between its own log directories. */
export const MOVE_RATE_KEY = 'replica.alter.log.dirs.io.max.bytes.per.second';

const rate: ValueRule<'long'> = { type: 'long', validate: atLeast(0) };

export const quotaKeys: ReadonlyMap<string, ValueRule<ConfigType>> = new Map([
  [MOVE_RATE_KEY, rate as ValueRule<ConfigType>],
]);

/** @returns Infinity without one, or with one that makes no sense */
export function rateOf(key: string, ...settings: readonly ReadonlyMap<string, string>[]): number {
  for (const values of settings) {
    const text = values.get(key);
    if (text !== undefined && /^\d+$/.test(text)) return Number(text);
  }
  return Number.POSITIVE_INFINITY;
}
