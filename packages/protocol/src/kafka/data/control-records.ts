/**
 * Values of the records in control batches: the end of a transaction, and what the Raft quorum of a
 * KRaft cluster writes. Key and version of a control record are laid out in ../records/.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import {
  arrayOf,
  int16,
  int32,
  int64,
  since,
  string,
  struct,
  uint16,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

export const controlRecordTypeSchema = data(
  { name: 'ControlRecordTypeSchema', versions: [0, 0], flexibleSince: null },
  { type: int16 },
);

export const endTxnMarker = data(
  { name: 'EndTxnMarker', versions: [0, 0], flexibleSince: null },
  { coordinatorEpoch: int32 },
);

/** v1: voterDirectoryId. */
export const leaderChangeMessage = data(
  { name: 'LeaderChangeMessage', versions: [0, 1], flexibleSince: 0 },
  {
    version: int16,
    leaderId: int32,
    voters: arrayOf({ voterId: int32, voterDirectoryId: since(1, uuid, ZERO_UUID) }),
    grantingVoters: arrayOf({ voterId: int32, voterDirectoryId: since(1, uuid, ZERO_UUID) }),
  },
);

export const snapshotHeaderRecord = data(
  { name: 'SnapshotHeaderRecord', versions: [0, 0], flexibleSince: 0 },
  { version: int16, lastContainedLogTimestamp: int64 },
);

export const snapshotFooterRecord = data(
  { name: 'SnapshotFooterRecord', versions: [0, 0], flexibleSince: 0 },
  { version: int16 },
);

export const kRaftVersionRecord = data(
  { name: 'KRaftVersionRecord', versions: [0, 0], flexibleSince: 0 },
  { version: int16, kRaftVersion: int16 },
);

export const votersRecord = data(
  { name: 'VotersRecord', versions: [0, 0], flexibleSince: 0 },
  {
    version: int16,
    voters: arrayOf({
      voterId: int32,
      voterDirectoryId: uuid,
      endpoints: arrayOf({ name: string, host: string, port: uint16 }),
      kRaftVersionFeature: struct({ minSupportedVersion: int16, maxSupportedVersion: int16 }),
    }),
  },
);

export type ControlRecordTypeSchema = BodyOf<typeof controlRecordTypeSchema>;
export type EndTxnMarker = BodyOf<typeof endTxnMarker>;
export type LeaderChangeMessage = BodyOf<typeof leaderChangeMessage>;
export type SnapshotHeaderRecord = BodyOf<typeof snapshotHeaderRecord>;
export type SnapshotFooterRecord = BodyOf<typeof snapshotFooterRecord>;
export type KRaftVersionRecord = BodyOf<typeof kRaftVersionRecord>;
export type VotersRecord = BodyOf<typeof votersRecord>;
