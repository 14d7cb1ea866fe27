/**
 * Groups and offsets as records of __consumer_offsets: what is written, and what a loader makes of it.
 * Versions written: offset key 1, offset value 3 (1 with an explicit expiry), group key 2, group value 3, as Kafka 3.9 does.
 */
import {
  type GroupMetadataValue,
  groupMetadataKey,
  groupMetadataValue,
  MalformedMessage,
  type OffsetCommitValue,
  offsetCommitKey,
  offsetCommitValue,
  Reader,
  type RecordInput,
} from '@odradek/protocol';
import type { GroupSnapshot } from './group-types.ts';
import { NO_ASSIGNMENT } from './members.ts';
import type { CommittedOffset } from './offsets.ts';

const OFFSET_KEY_VERSION = 1;
const GROUP_KEY_VERSION = 2;
const OFFSET_VALUE_VERSION = 3;
const OFFSET_VALUE_VERSION_WITH_EXPIRY = 1;
const GROUP_VALUE_VERSION = 3;
const NO_EXPIRY = -1;
const VERSION_BYTES = 2;

export type OffsetsRecord =
  | {
      readonly kind: 'offset';
      readonly group: string;
      readonly topic: string;
      readonly partition: number;
      /** null: removed. */
      readonly value: OffsetCommitValue | null;
    }
  | { readonly kind: 'group'; readonly group: string; readonly value: GroupMetadataValue | null }
  /** Written by a newer release for its own use. */
  | { readonly kind: 'unknown'; readonly version: number };

export function offsetRecord(
  group: string,
  topic: string,
  partition: number,
  committed: Omit<CommittedOffset, 'logOffset'> | null,
  timestamp: number,
): RecordInput {
  const key = offsetCommitKey.encodeWithVersion({ group, topic, partition }, OFFSET_KEY_VERSION);
  if (committed === null) return { key, value: null, timestamp };
  const version =
    committed.expireTimestampMs === null ? OFFSET_VALUE_VERSION : OFFSET_VALUE_VERSION_WITH_EXPIRY;
  const value = offsetCommitValue.encodeWithVersion(
    {
      offset: committed.offset,
      leaderEpoch: committed.leaderEpoch,
      metadata: committed.metadata,
      commitTimestamp: committed.commitTimestampMs,
      expireTimestamp: committed.expireTimestampMs ?? NO_EXPIRY,
    },
    version,
  );
  return { key, value, timestamp };
}

/** @param snapshot null removes the group */
export function groupRecord(
  group: string,
  snapshot: GroupSnapshot | null,
  timestamp: number,
): RecordInput {
  const key = groupMetadataKey.encodeWithVersion({ group }, GROUP_KEY_VERSION);
  if (snapshot === null) return { key, value: null, timestamp };
  const value = groupMetadataValue.encodeWithVersion(
    {
      protocolType: snapshot.protocolType ?? '',
      generation: snapshot.generation,
      protocol: snapshot.protocolName,
      leader: snapshot.leader,
      currentStateTimestamp: timestamp,
      members: snapshot.members.map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.instanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription: member.metadata,
        assignment: member.assignment,
      })),
    },
    GROUP_VALUE_VERSION,
  );
  return { key, value, timestamp };
}

/**
 * Reads a record of the offsets topic. Bytes after the end of a key or value are left alone: a newer writer may have put
 * more there.
 * @throws MalformedMessage, UnsupportedVersion for a key or value of a known kind that cannot be read
 */
export function readOffsetsRecord(key: Buffer, value: Buffer | null): OffsetsRecord {
  const version = versionOf(key);
  if (version === 0 || version === OFFSET_KEY_VERSION) {
    const { group, topic, partition } = offsetCommitKey.decodeFrom(bodyOf(key), version);
    const read = value && offsetCommitValue.decodeFrom(bodyOf(value), versionOf(value));
    return { kind: 'offset', group, topic, partition, value: read };
  }
  if (version === GROUP_KEY_VERSION) {
    const { group } = groupMetadataKey.decodeFrom(bodyOf(key), version);
    const read = value && groupMetadataValue.decodeFrom(bodyOf(value), versionOf(value));
    return { kind: 'group', group, value: read };
  }
  return { kind: 'unknown', version };
}

function versionOf(bytes: Buffer): number {
  if (bytes.length < VERSION_BYTES)
    throw new MalformedMessage('a key or value of the offsets topic has no version');
  return bytes.readInt16BE(0);
}

const bodyOf = (bytes: Buffer): Reader => new Reader(bytes.subarray(VERSION_BYTES));

/** The stored form of a group as the machine takes it back; what slices it holds are copied out of the log's buffers. */
export function snapshotOf(value: GroupMetadataValue): GroupSnapshot {
  return {
    state: value.members.length === 0 ? 'Empty' : 'Stable',
    protocolType: value.protocolType === '' ? null : value.protocolType,
    generation: value.generation,
    protocolName: value.protocol,
    leader: value.leader,
    members: value.members.map((member) => ({
      memberId: member.memberId,
      instanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      sessionTimeoutMs: member.sessionTimeout,
      rebalanceTimeoutMs:
        member.rebalanceTimeout < 0 ? member.sessionTimeout : member.rebalanceTimeout,
      metadata: Buffer.from(member.subscription),
      assignment: member.assignment.length === 0 ? NO_ASSIGNMENT : Buffer.from(member.assignment),
    })),
  };
}

export function committedOf(value: OffsetCommitValue, logOffset: number): CommittedOffset {
  return {
    offset: value.offset,
    leaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    commitTimestampMs: value.commitTimestamp,
    expireTimestampMs: value.expireTimestamp < 0 ? null : value.expireTimestamp,
    logOffset,
  };
}
