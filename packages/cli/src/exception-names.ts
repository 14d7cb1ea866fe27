/** Errors by the class names that Kafka's tools print, which scripts look for. */
import type { KafkaErrorName } from '@odradek/protocol';

const PACKAGE = 'org.apache.kafka.common.errors';

/** Those whose class is not called as the error is. */
const odd: Partial<Record<KafkaErrorName, string>> = {
  UNKNOWN_SERVER_ERROR: 'UnknownServerException',
  CORRUPT_MESSAGE: 'CorruptRecordException',
  REQUEST_TIMED_OUT: 'TimeoutException',
  INVALID_TOPIC_EXCEPTION: 'InvalidTopicException',
  NETWORK_EXCEPTION: 'NetworkException',
  KAFKA_STORAGE_ERROR: 'KafkaStorageException',
  TOPIC_AUTHORIZATION_FAILED: 'TopicAuthorizationException',
  GROUP_AUTHORIZATION_FAILED: 'GroupAuthorizationException',
  CLUSTER_AUTHORIZATION_FAILED: 'ClusterAuthorizationException',
};

/** Such as org.apache.kafka.common.errors.OffsetOutOfRangeException. */
export function exceptionName(error: KafkaErrorName): string {
  const words = error.toLowerCase().split('_');
  const camel = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  return `${PACKAGE}.${odd[error] ?? `${camel}Exception`}`;
}
