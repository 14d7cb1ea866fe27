/** The broker: what starts it, and its configuration. */
export {
  type BrokerConfig,
  type BrokerConfigOptions,
  brokerKeys,
  readBrokerConfig,
} from './config/broker-config.ts';
export { topicKeys } from './config/topic-keys.ts';
export { type RunningBroker, type StartOptions, startBroker } from './main.ts';
