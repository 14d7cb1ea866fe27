/**
 * Rules for configuration values that only brokers know.
 */
import type { Validator } from '@odradek/runtime';
import { parseInterBrokerProtocol } from './inter-broker-protocol.ts';
import { isFormatVersion } from './message-format-version.ts';

/** A release this broker can speak to others in. */
export const interBrokerProtocol: Validator<string> = {
  allowed: 'a Kafka release from 2.8 to 3.9, such as 3.9 or 3.9-IV0',
  accepts: (value) => parseInterBrokerProtocol(value) !== null,
};

/** Another value would keep a broker of Apache's from starting: it reads those of all topics then, and takes them seriously. */
export const messageFormatVersion: Validator<string> = {
  allowed: 'a Kafka release from 0.8.0 to 3.9, such as 3.0 or 3.0-IV1',
  accepts: isFormatVersion,
};

/** For what comes with tiered storage, which is not there. */
export const notTrue: Validator<boolean> = {
  allowed: 'false: there is no tiered storage',
  accepts: (value) => !value,
};

export const gzipLevel: Validator<number> = {
  allowed: 'between 1 and 9, or -1',
  accepts: (value) => value === -1 || (value >= 1 && value <= 9),
};

/** `partition:broker` pairs, or a lone star for all replicas. */
export const throttledReplicas: Validator<readonly string[]> = {
  allowed: 'a list of partition:broker, or *',
  accepts: (values) =>
    (values.length === 1 && values[0] === '*') ||
    values.every((value) => /^\d{1,9}:\d{1,9}$/.test(value)),
};
