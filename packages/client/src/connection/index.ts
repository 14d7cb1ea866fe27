/** The connection's public face. */
export {
  BrokerConnection,
  type BrokerConnectionOptions,
  type SendOptions,
} from './broker-connection-host.ts';
