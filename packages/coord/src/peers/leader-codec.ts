/**
 * The messages of a leader as frames, like those in codec.ts. Proposals are what nearly all of them are.
 */
import type { LogEntry } from '../replica/types.ts';
import { FEW_VALUES_BYTES, kindOf, textBytesMax, unknownKind } from './codec.ts';
import { MalformedPeerData } from './errors.ts';
import type { LeaderMessage } from './types.ts';
import { VALUE_BYTES_MAX, WireReader, WireWriter } from './wire.ts';

const leaderKind = {
  refused: 32,
  newEpoch: 33,
  diff: 34,
  truncate: 35,
  snapshot: 36,
  snapshotPart: 37,
  snapshotEnd: 38,
  proposals: 39,
  newLeader: 40,
  upToDate: 41,
  commit: 42,
  ping: 43,
  confirmed: 44,
  activate: 45,
  tell: 46,
} as const satisfies Record<LeaderMessage['kind'], number>;

/** An entry without its record and its text: six values. */
const ENTRY_BYTES = 6 * VALUE_BYTES_MAX;
/** The shortest one. */
const ENTRY_BYTES_MIN = 18;

/** Messages of this many bytes or more would go alone anyway: proposals are split there. */
const PROPOSALS_BYTES = 1024 * 1024;

/** One frame; several for proposals that are long together. */
export function encodeLeaderMessage(message: LeaderMessage): readonly Buffer[] {
  return message.kind === 'proposals' ? encodeProposals(message) : [encodeOther(message)];
}

type Proposals = Extract<LeaderMessage, { kind: 'proposals' }>;

function encodeProposals({ entries, committedZxid }: Proposals): readonly Buffer[] {
  const frames: Buffer[] = [];
  let first = 0;
  let sizeBytes = 0;
  for (let index = 0; index < entries.length; index += 1) {
    const entry = entries[index];
    if (entry === undefined) break;
    const entryBytes = ENTRY_BYTES + entry.record.byteLength + textBytesMax(entry.ensembleText);
    if (index > first && sizeBytes + entryBytes > PROPOSALS_BYTES) {
      frames.push(proposalsFrame(entries, first, index, committedZxid, sizeBytes));
      first = index;
      sizeBytes = 0;
    }
    sizeBytes += entryBytes;
  }
  frames.push(proposalsFrame(entries, first, entries.length, committedZxid, sizeBytes));
  return frames;
}

function proposalsFrame(
  entries: readonly LogEntry[],
  from: number,
  to: number,
  committedZxid: bigint,
  sizeBytes: number,
): Buffer {
  const writer = new WireWriter(FEW_VALUES_BYTES + sizeBytes);
  writer.array(3);
  writer.small(leaderKind.proposals);
  // What is in a later frame is not there yet.
  const last = entries[to - 1];
  const isCut = to < entries.length && last !== undefined && last.zxid < committedZxid;
  writer.int64(isCut ? last.zxid : committedZxid);
  writer.longArray(to - from);
  for (let index = from; index < to; index += 1) {
    const entry = entries[index];
    if (entry !== undefined) writeEntry(writer, entry);
  }
  return writer.finish();
}

function writeEntry(writer: WireWriter, { zxid, record, origin, ensembleText }: LogEntry): void {
  writer.array(5);
  writer.int64(zxid);
  writer.bytes(record);
  if (origin === null) {
    writer.nothing();
    writer.nothing();
  } else {
    writer.number(origin.serverId);
    writer.number(origin.requestId);
  }
  if (ensembleText === null) writer.nothing();
  else writer.text(ensembleText);
}

function readEntry(reader: WireReader): LogEntry {
  reader.array(5);
  const zxid = reader.int64();
  const record = reader.bytes();
  let origin: LogEntry['origin'] = null;
  if (reader.isNothing()) {
    if (!reader.isNothing()) throw new MalformedPeerData('half an origin');
  } else {
    origin = { serverId: reader.number(), requestId: reader.number() };
  }
  return { zxid, record, origin, ensembleText: reader.isNothing() ? null : reader.text() };
}

function encodeOther(message: Exclude<LeaderMessage, Proposals>): Buffer {
  const { kind } = message;
  const writer = new WireWriter(FEW_VALUES_BYTES + variableBytes(message));
  const begin = (fields: number): void => {
    writer.array(fields + 1);
    writer.small(leaderKind[kind]);
  };
  switch (kind) {
    case 'refused':
      begin(1);
      writer.text(message.reason);
      break;
    case 'newEpoch':
      begin(4);
      writer.number(message.epoch);
      writer.text(message.clusterId);
      writer.number(message.fence);
      writer.text(message.ensembleText);
      break;
    case 'diff':
    case 'snapshotEnd':
      begin(0);
      break;
    case 'truncate':
    case 'snapshot':
    case 'commit':
      begin(1);
      writer.int64(message.zxid);
      break;
    case 'snapshotPart':
      begin(1);
      writer.longArray(message.entries.length);
      for (const entry of message.entries) writer.bytes(entry);
      break;
    case 'newLeader':
      begin(2);
      writer.number(message.epoch);
      writer.text(message.ensembleText);
      break;
    case 'upToDate':
      begin(1);
      writer.int64(message.committedZxid);
      break;
    case 'ping':
      begin(1);
      writer.number(message.ping);
      break;
    case 'confirmed':
      begin(1);
      writer.number(message.id);
      break;
    case 'activate':
      begin(2);
      writer.text(message.ensembleText);
      writer.number(message.designatedLeaderId);
      break;
    case 'tell':
      begin(1);
      writer.bytes(message.bytes);
  }
  return writer.finish();
}

/** Of what has no fixed size in it. */
function variableBytes(message: Exclude<LeaderMessage, Proposals>): number {
  switch (message.kind) {
    case 'refused':
      return textBytesMax(message.reason);
    case 'newEpoch':
      return textBytesMax(message.clusterId) + textBytesMax(message.ensembleText);
    case 'newLeader':
    case 'activate':
      return textBytesMax(message.ensembleText);
    case 'tell':
      return message.bytes.byteLength;
    case 'snapshotPart': {
      let sizeBytes = 0;
      for (const entry of message.entries) sizeBytes += VALUE_BYTES_MAX + entry.byteLength;
      return sizeBytes;
    }
    default:
      return 0;
  }
}

/** @throws MalformedPeerData */
export function decodeLeaderMessage(payload: Buffer): LeaderMessage {
  const reader = new WireReader(payload);
  const message = leaderMessage(payload, reader);
  reader.finish();
  return message;
}

function leaderMessage(payload: Buffer, reader: WireReader): LeaderMessage {
  const begin = (fields: number): void => {
    reader.array(fields + 1);
    reader.small();
  };
  switch (kindOf(payload)) {
    case leaderKind.proposals: {
      begin(2);
      const committedZxid = reader.int64();
      const entries: LogEntry[] = [];
      for (let left = reader.longArray(ENTRY_BYTES_MIN); left > 0; left -= 1) {
        entries.push(readEntry(reader));
      }
      return { kind: 'proposals', entries, committedZxid };
    }
    case leaderKind.commit:
      begin(1);
      return { kind: 'commit', zxid: reader.int64() };
    case leaderKind.ping:
      begin(1);
      return { kind: 'ping', ping: reader.number() };
    case leaderKind.confirmed:
      begin(1);
      return { kind: 'confirmed', id: reader.number() };
    case leaderKind.tell:
      begin(1);
      return { kind: 'tell', bytes: reader.bytes() };
    case leaderKind.refused:
      begin(1);
      return { kind: 'refused', reason: reader.text() };
    case leaderKind.newEpoch:
      begin(4);
      return {
        kind: 'newEpoch',
        epoch: reader.number(),
        clusterId: reader.text(),
        fence: reader.number(),
        ensembleText: reader.text(),
      };
    case leaderKind.diff:
      begin(0);
      return { kind: 'diff' };
    case leaderKind.truncate:
      begin(1);
      return { kind: 'truncate', zxid: reader.int64() };
    case leaderKind.snapshot:
      begin(1);
      return { kind: 'snapshot', zxid: reader.int64() };
    case leaderKind.snapshotPart: {
      begin(1);
      const entries: Uint8Array[] = [];
      for (let left = reader.longArray(SNAPSHOT_ENTRY_BYTES_MIN); left > 0; left -= 1) {
        entries.push(reader.bytes());
      }
      return { kind: 'snapshotPart', entries };
    }
    case leaderKind.snapshotEnd:
      begin(0);
      return { kind: 'snapshotEnd' };
    case leaderKind.newLeader:
      begin(2);
      return { kind: 'newLeader', epoch: reader.number(), ensembleText: reader.text() };
    case leaderKind.upToDate:
      begin(1);
      return { kind: 'upToDate', committedZxid: reader.int64() };
    case leaderKind.activate:
      begin(2);
      return {
        kind: 'activate',
        ensembleText: reader.text(),
        designatedLeaderId: reader.number(),
      };
    default:
      throw unknownKind(payload);
  }
}

/** An empty one. */
const SNAPSHOT_ENTRY_BYTES_MIN = 5;
