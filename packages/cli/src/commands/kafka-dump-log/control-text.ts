/** What a record of a control batch says, as it stands at the end of its line. */
import {
  type DataMessage,
  decodeControlRecord,
  kRaftVersionRecord,
  messageToJson,
  Reader,
  snapshotFooterRecord,
  snapshotHeaderRecord,
  votersRecord,
} from '@odradek/protocol';

/**
 * `' endTxnMarker: COMMIT coordinatorEpoch: 5'` and its kin.
 * @throws MalformedMessage when key or value are too short
 */
export function controlText(key: Buffer | null, value: Buffer | null): string {
  const control = decodeControlRecord({ key, value });
  switch (control.kind) {
    case 'abort':
    case 'commit':
      return ` endTxnMarker: ${control.kind.toUpperCase()} coordinatorEpoch: ${control.coordinatorEpoch}`;
    case 'leader-change':
      return ' controlType: LEADER_CHANGE(2)';
    case 'snapshot-header':
      return ` SnapshotHeader ${json(snapshotHeaderRecord, control.value)}`;
    case 'snapshot-footer':
      return ` SnapshotFooter ${json(snapshotFooterRecord, control.value)}`;
    case 'kraft-version':
      return ` KRaftVersion ${json(kRaftVersionRecord, control.value)}`;
    case 'kraft-voters':
      return ` KRaftVoters ${json(votersRecord, control.value)}`;
    default:
      // The original tells all later types by the number of its own "unknown".
      return ` controlType: UNKNOWN(${control.type})`;
  }
}

/** The first field of these is their version, in sight and not in front of the message. */
function json<Body, Input>(message: DataMessage<Body, Input>, value: Buffer | null): string {
  const bytes = value ?? Buffer.alloc(0);
  const version = new Reader(bytes).int16();
  return messageToJson(message, message.decodeFrom(new Reader(bytes), version), version);
}
