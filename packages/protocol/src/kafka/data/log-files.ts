/**
 * Entries of files in the log directories: aborted transactions (.txnindex), producer states
 * (.snapshot), the quorum-state file.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import {
  arrayOf,
  bigint64,
  defaulted,
  int16,
  int32,
  int64,
  nullableArrayOf,
  since,
  string,
  uint32,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

export const abortedTxn = data(
  { name: 'AbortedTxn', versions: [0, 0], flexibleSince: null },
  { producerId: bigint64, firstOffset: int64, lastOffset: int64, lastStableOffset: int64 },
);

export const producerSnapshot = data(
  { name: 'ProducerSnapshot', versions: [1, 1], flexibleSince: null },
  {
    crc: uint32,
    producerEntries: arrayOf({
      producerId: bigint64,
      epoch: int16,
      lastSequence: int32,
      lastOffset: int64,
      offsetDelta: int32,
      timestamp: int64,
      coordinatorEpoch: int32,
      currentTxnFirstOffset: int64,
    }),
  },
);

/** v1: no clusterId, votedDirectoryId, no appliedOffset, no currentVoters. */
export const quorumStateData = data(
  { name: 'QuorumStateData', versions: [0, 1], flexibleSince: 0 },
  {
    clusterId: since([0, 0], string, ''),
    leaderId: defaulted(int32, -1),
    leaderEpoch: defaulted(int32, -1),
    votedId: defaulted(int32, -1),
    votedDirectoryId: since(1, uuid, ZERO_UUID),
    appliedOffset: since([0, 0], int64, 0),
    currentVoters: since([0, 0], nullableArrayOf({ voterId: int32 }), []),
  },
);

export type AbortedTxn = BodyOf<typeof abortedTxn>;
export type ProducerSnapshot = BodyOf<typeof producerSnapshot>;
export type QuorumStateData = BodyOf<typeof quorumStateData>;
