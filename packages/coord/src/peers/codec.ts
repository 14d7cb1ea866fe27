/**
 * The messages of types.ts as frames (those of leaders are in leader-codec.ts): msgpack arrays, first the number of the kind, then its fields in
 * a fixed order. The numbers are never used again for something else; what changes raises the
 * protocol version of frame.ts.
 *
 * Decoded bytes are views of the payload: whoever decodes hands over memory that may be kept.
 */
import type { Role } from '../replica/types.ts';
import { MalformedPeerData } from './errors.ts';
import type { LearnerMessage, Notification } from './types.ts';
import { TEXT_UNIT_BYTES_MAX, WireReader, WireWriter } from './wire.ts';

/** What a link says about itself, beside the messages of types.ts. */
export type LinkMessage =
  /** The last one, and why. */
  | { readonly kind: 'bye'; readonly reason: string }
  | { readonly kind: 'probe' }
  | { readonly kind: 'probed' };

const linkKind = { bye: 0, probe: 1, probed: 2 } as const satisfies Record<
  LinkMessage['kind'],
  number
>;
/** What is below says something about the link. */
export const LINK_KINDS_END = 8;
const NOTIFICATION = 8;

const learnerKind = {
  hello: 16,
  epochAccepted: 17,
  synchronised: 18,
  ack: 19,
  pong: 20,
  confirm: 21,
  tell: 22,
} as const satisfies Record<LearnerMessage['kind'], number>;

const roles: readonly Role[] = ['looking', 'leading', 'following', 'observing'];

/** Room for the head of a message and a handful of values. */
export const FEW_VALUES_BYTES = 96;
/** Room for a text besides its head. */
export const textBytesMax = (text: string | null): number =>
  text === null ? 0 : TEXT_UNIT_BYTES_MAX * text.length;

export function encodeLinkMessage(message: LinkMessage): Buffer {
  const reason = message.kind === 'bye' ? message.reason.slice(0, REASON_UNITS_MAX) : '';
  const writer = new WireWriter(FEW_VALUES_BYTES + textBytesMax(reason));
  writer.array(message.kind === 'bye' ? 2 : 1);
  writer.small(linkKind[message.kind]);
  if (message.kind === 'bye') writer.text(reason);
  return writer.finish();
}

/** Longer reasons are cut. */
const REASON_UNITS_MAX = 256;

/** @returns null for a message of another layer */
export function decodeLinkMessage(payload: Buffer): LinkMessage | null {
  switch (kindOf(payload)) {
    case linkKind.bye: {
      const reader = opened(payload, 2);
      const reason = reader.text();
      reader.finish();
      return { kind: 'bye', reason };
    }
    case linkKind.probe:
      opened(payload, 1).finish();
      return { kind: 'probe' };
    case linkKind.probed:
      opened(payload, 1).finish();
      return { kind: 'probed' };
    default:
      return null;
  }
}

/** The number of the kind: the second byte of every message. */
export const kindOf = (payload: Buffer): number | undefined => payload[1];

/** A reader behind the kind. */
function opened(payload: Buffer, count: number): WireReader {
  const reader = new WireReader(payload);
  reader.array(count);
  reader.small();
  return reader;
}

export function encodeNotification(notification: Notification): Buffer {
  const { state, round, vote, isNew, ensembleVersion } = notification;
  const writer = new WireWriter(FEW_VALUES_BYTES);
  writer.array(8);
  writer.small(NOTIFICATION);
  writer.small(roles.indexOf(state));
  writer.number(round);
  writer.number(vote.leaderId);
  writer.number(vote.epoch);
  writer.int64(vote.zxid);
  writer.flag(isNew);
  writer.int64(ensembleVersion);
  return writer.finish();
}

/** @throws MalformedPeerData */
export function decodeNotification(payload: Buffer): Notification {
  const reader = new WireReader(payload);
  reader.array(8);
  if (reader.small() !== NOTIFICATION) throw unknownKind(payload);
  const state = roles[reader.small()];
  if (state === undefined) throw new MalformedPeerData('a note has no known state');
  const notification = {
    state,
    round: reader.number(),
    vote: { leaderId: reader.number(), epoch: reader.number(), zxid: reader.int64() },
    isNew: reader.flag(),
    ensembleVersion: reader.int64(),
  };
  reader.finish();
  return notification;
}

export function encodeLearnerMessage(message: LearnerMessage): Buffer {
  const { kind } = message;
  const writer = new WireWriter(FEW_VALUES_BYTES + learnerBytes(message));
  const begin = (fields: number): void => {
    writer.array(fields + 1);
    writer.small(learnerKind[kind]);
  };
  switch (kind) {
    case 'hello':
      begin(8);
      writer.flag(message.isObserver);
      if (message.clusterId === null) writer.nothing();
      else writer.text(message.clusterId);
      writer.number(message.acceptedEpoch);
      writer.number(message.currentEpoch);
      writer.int64(message.lastZxid);
      writer.flag(message.isNew);
      writer.flag(message.needsSnapshot);
      writer.int64(message.ensembleVersion);
      break;
    case 'epochAccepted':
      begin(3);
      writer.number(message.epoch);
      if (message.currentEpoch === null) writer.nothing();
      else writer.number(message.currentEpoch);
      writer.int64(message.lastZxid);
      break;
    case 'synchronised':
      begin(1);
      writer.number(message.epoch);
      break;
    case 'ack':
      begin(1);
      writer.int64(message.zxid);
      break;
    case 'pong':
      begin(1);
      writer.number(message.ping);
      break;
    case 'confirm':
      begin(1);
      writer.number(message.id);
      break;
    case 'tell':
      begin(1);
      writer.bytes(message.bytes);
  }
  return writer.finish();
}

/** Of what has no fixed size in it. */
function learnerBytes(message: LearnerMessage): number {
  if (message.kind === 'tell') return message.bytes.byteLength;
  return message.kind === 'hello' ? textBytesMax(message.clusterId) : 0;
}

/** @throws MalformedPeerData */
export function decodeLearnerMessage(payload: Buffer): LearnerMessage {
  const reader = new WireReader(payload);
  const message = learnerMessage(payload, reader);
  reader.finish();
  return message;
}

function learnerMessage(payload: Buffer, reader: WireReader): LearnerMessage {
  const begin = (fields: number): void => {
    reader.array(fields + 1);
    reader.small();
  };
  switch (kindOf(payload)) {
    case learnerKind.hello:
      begin(8);
      return {
        kind: 'hello',
        isObserver: reader.flag(),
        clusterId: reader.isNothing() ? null : reader.text(),
        acceptedEpoch: reader.number(),
        currentEpoch: reader.number(),
        lastZxid: reader.int64(),
        isNew: reader.flag(),
        needsSnapshot: reader.flag(),
        ensembleVersion: reader.int64(),
      };
    case learnerKind.epochAccepted:
      begin(3);
      return {
        kind: 'epochAccepted',
        epoch: reader.number(),
        currentEpoch: reader.isNothing() ? null : reader.number(),
        lastZxid: reader.int64(),
      };
    case learnerKind.synchronised:
      begin(1);
      return { kind: 'synchronised', epoch: reader.number() };
    case learnerKind.ack:
      begin(1);
      return { kind: 'ack', zxid: reader.int64() };
    case learnerKind.pong:
      begin(1);
      return { kind: 'pong', ping: reader.number() };
    case learnerKind.confirm:
      begin(1);
      return { kind: 'confirm', id: reader.number() };
    case learnerKind.tell:
      begin(1);
      return { kind: 'tell', bytes: reader.bytes() };
    default:
      throw unknownKind(payload);
  }
}

export const unknownKind = (payload: Buffer): MalformedPeerData =>
  new MalformedPeerData(`a message of unknown kind ${kindOf(payload) ?? '(none)'}`);
