/** Records of `__consumer_offsets` as JSON: committed offsets, groups of both protocols. */
import {
  consumerGroupCurrentMemberAssignmentKey,
  consumerGroupCurrentMemberAssignmentValue,
  consumerGroupMemberMetadataKey,
  consumerGroupMemberMetadataValue,
  consumerGroupMetadataKey,
  consumerGroupMetadataValue,
  consumerGroupPartitionMetadataKey,
  consumerGroupPartitionMetadataValue,
  consumerGroupTargetAssignmentMemberKey,
  consumerGroupTargetAssignmentMemberValue,
  consumerGroupTargetAssignmentMetadataKey,
  consumerGroupTargetAssignmentMetadataValue,
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  type DataMessage,
  groupMetadataKey,
  groupMetadataValue,
  messageToJson,
  offsetCommitKey,
  offsetCommitValue,
  Reader,
} from '@odradek/protocol';
import type { ContentDecoder } from './decoders.ts';
import { DumpFailure } from './dump-failure.ts';

const DELETED = '<DELETE>';

interface Kind {
  readonly key: (reader: Reader, version: number) => string;
  readonly value: (reader: Reader, version: number) => string;
}

/** By the version in front of a key. */
const kinds: readonly Kind[] = [
  kind(offsetCommitKey, offsetCommitValue),
  kind(offsetCommitKey, offsetCommitValue),
  { ...kind(groupMetadataKey, groupMetadataValue), value: groupJson },
  kind(consumerGroupMetadataKey, consumerGroupMetadataValue),
  kind(consumerGroupPartitionMetadataKey, consumerGroupPartitionMetadataValue),
  kind(consumerGroupMemberMetadataKey, consumerGroupMemberMetadataValue),
  kind(consumerGroupTargetAssignmentMetadataKey, consumerGroupTargetAssignmentMetadataValue),
  kind(consumerGroupTargetAssignmentMemberKey, consumerGroupTargetAssignmentMemberValue),
  kind(consumerGroupCurrentMemberAssignmentKey, consumerGroupCurrentMemberAssignmentValue),
];

/** A record that cannot be read is said so in its place, and the next one is read. */
export const offsetsDecoder: ContentDecoder = ({ offset, key, value }) => {
  if (key === null) {
    throw new DumpFailure(
      `Failed to decode message at offset ${offset} using offset topic decoder (message had a missing key)`,
    );
  }
  try {
    const reader = new Reader(key);
    const type = versionOf(reader, 'key');
    const known = kinds[type];
    if (known === undefined) {
      return { key: `Unknown record type ${type} at offset ${offset}, skipping.`, payload: null };
    }
    return {
      key: `{"type":"${type}","data":${recordOf('key', type, () => known.key(reader, type))}}`,
      payload: value === null ? DELETED : payloadOf(known, value),
    };
  } catch (failure) {
    const reason = failure instanceof Error ? failure.message : String(failure);
    return { key: `Error at offset ${offset}, skipping. ${reason}`, payload: null };
  }
};

function payloadOf(known: Kind, value: Buffer): string {
  const reader = new Reader(value);
  const version = versionOf(reader, 'value');
  return `{"version":"${version}","data":${recordOf('value', version, () => known.value(reader, version))}}`;
}

function versionOf(reader: Reader, where: 'key' | 'value'): number {
  try {
    return reader.int16();
  } catch (failure) {
    throw unreadable(`Could not read version from ${where}'s buffer`, failure);
  }
}

function recordOf(where: 'key' | 'value', version: number, read: () => string): string {
  try {
    return read();
  } catch (failure) {
    throw unreadable(
      `Could not read record with version ${version} from ${where}'s buffer`,
      failure,
    );
  }
}

function unreadable(what: string, cause: unknown): DumpFailure {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DumpFailure(`${what} due to: ${reason}.`, { cause });
}

function kind<Key, KeyInput, Value, ValueInput>(
  key: DataMessage<Key, KeyInput>,
  value: DataMessage<Value, ValueInput>,
): Kind {
  return {
    key: (reader, version) => json(key, reader, version),
    value: (reader, version) => json(value, reader, version),
  };
}

function json<Body, Input>(
  message: DataMessage<Body, Input>,
  reader: Reader,
  version: number,
): string {
  return messageToJson(message, message.decodeFrom(reader, version), version);
}

/** What members told each other is taken apart too, in groups of consumers. */
function groupJson(reader: Reader, version: number): string {
  const group = groupMetadataValue.decodeFrom(reader, version);
  if (group.protocolType !== 'consumer') return messageToJson(groupMetadataValue, group, version);
  return messageToJson(groupMetadataValue, group, version, (field, value) => {
    if (field === 'subscription') return embedded(consumerProtocolSubscription, value);
    return field === 'assignment' ? embedded(consumerProtocolAssignment, value) : null;
  });
}

/** A member that was given nothing has no bytes at all. */
function embedded<Body, Input>(message: DataMessage<Body, Input>, value: unknown): string | null {
  if ((value as Buffer).length === 0) return null;
  const reader = new Reader(value as Buffer);
  return json(message, reader, Math.min(reader.int16(), message.spec.versions[1]));
}
