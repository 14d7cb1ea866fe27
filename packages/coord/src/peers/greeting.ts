/**
 * How two servers begin a link: who I am, whom I have called, which ensemble I belong to. And the
 * judgement: whom a server talks to, and the one line that tells both sides why it does not. Pure.
 *
 * The caller greets; the called one answers with its own greeting, or with a refusal; the caller
 * judges the answer as well, for it alone knows when somebody else picked up.
 */
import { type Ensemble, InvalidEnsemble, parseEnsemble } from '../core/quorum/ensemble.ts';
import { FEW_VALUES_BYTES, textBytesMax } from './codec.ts';
import { MalformedPeerData } from './errors.ts';
import { membersDifference } from './members-difference.ts';
import type { PeerIdentity } from './types.ts';
import { WireReader, WireWriter } from './wire.ts';

export interface Greeting extends PeerIdentity {
  /** Whom the sender believes to talk to. */
  readonly dialedId: number;
  /** The members as the sender knows them. */
  readonly ensembleText: string;
}

const GREETING = 1;
const REFUSAL = 2;
const ID_UNITS_MAX = 64;
const REASON_UNITS_MAX = 1_000;

export function encodeGreeting(greeting: Greeting): Buffer {
  const { serverId, clusterId, fence, dialedId, ensembleText } = greeting;
  const writer = new WireWriter(
    FEW_VALUES_BYTES + textBytesMax(clusterId) + textBytesMax(ensembleText),
  );
  writer.array(6);
  writer.small(GREETING);
  writer.number(serverId);
  writer.number(dialedId);
  if (clusterId === null) writer.nothing();
  else writer.text(clusterId);
  writer.number(fence);
  writer.text(ensembleText);
  return writer.finish();
}

export function encodeRefusal(reason: string): Buffer {
  const cut = reason.slice(0, REASON_UNITS_MAX);
  const writer = new WireWriter(FEW_VALUES_BYTES + textBytesMax(cut));
  writer.array(2);
  writer.small(REFUSAL);
  writer.text(cut);
  return writer.finish();
}

/** @throws MalformedPeerData */
export function decodeGreeting(payload: Buffer): Greeting | { readonly refusal: string } {
  const reader = new WireReader(payload);
  if (payload[1] === REFUSAL) {
    reader.array(2);
    reader.small();
    const refusal = reader.text();
    reader.finish();
    return { refusal };
  }
  reader.array(6);
  if (reader.small() !== GREETING) throw new MalformedPeerData('no greeting came first');
  const greeting = {
    serverId: reader.number(),
    dialedId: reader.number(),
    clusterId: reader.isNothing() ? null : reader.text(),
    fence: reader.number(),
    ensembleText: reader.text(),
  };
  reader.finish();
  if ((greeting.clusterId?.length ?? 0) > ID_UNITS_MAX) {
    throw new MalformedPeerData('the id of an ensemble is too long');
  }
  return greeting;
}

/** What comes of a greeting. */
export interface Judgement {
  /** For both logs; null: we talk. */
  readonly refusal: string | null;
  /** The other side has seen a take-over that this server has not been part of: its fence, else null. */
  readonly fencedBy: number | null;
  /** Members that both sides name differently at the same version; a sentence for the log, or null. */
  readonly difference: string | null;
}

/**
 * What the called one makes of its caller's greeting.
 * @param self what it would answer
 */
export function judgeCaller(self: Greeting, caller: Greeting, members: Ensemble): Judgement {
  const { serverId } = self;
  if (caller.dialedId !== serverId) {
    return refused(
      `server ${caller.serverId} called server ${caller.dialedId} and reached server ${serverId}: ` +
        `the addresses in its server.${caller.dialedId} line, or the myid here, are wrong`,
    );
  }
  return judgeBoth(self, caller, members);
}

/** What the caller makes of the answer. */
export function judgeAnswer(self: Greeting, answer: Greeting, members: Ensemble): Judgement {
  if (answer.serverId !== self.dialedId) {
    return refused(
      `server ${self.serverId} called server ${self.dialedId} and server ${answer.serverId} answered: ` +
        `the addresses in the server.${self.dialedId} line of the caller, or the myid there, are wrong`,
    );
  }
  return judgeBoth(self, answer, members);
}

function judgeBoth(self: Greeting, peer: Greeting, members: Ensemble): Judgement {
  if (peer.serverId === self.serverId) {
    return refused(
      `two servers say that they are server ${self.serverId}: each needs a myid of its own`,
    );
  }
  if (self.clusterId !== null && peer.clusterId !== null && self.clusterId !== peer.clusterId) {
    return refused(
      `server ${peer.serverId} belongs to another ensemble (${peer.clusterId}, not ${self.clusterId}): ` +
        'its data directory is from elsewhere, or an address leads to the wrong ensemble',
    );
  }
  // Whoever has no data has nothing to be left behind with, and takes the fence over with the data.
  if (self.fence > peer.fence && peer.clusterId !== null) {
    return refused(
      `server ${peer.serverId} was left behind by a take-over (its fence is ${peer.fence}, ours ${self.fence})`,
    );
  }
  if (peer.fence > self.fence && self.clusterId !== null) {
    const refusal = `server ${self.serverId} was left behind by a take-over (its fence is ${self.fence}, that of server ${peer.serverId} ${peer.fence})`;
    return { refusal, fencedBy: peer.fence, difference: null };
  }
  const difference = differenceTo(peer, members);
  return { refusal: null, fencedBy: null, difference };
}

const refused = (refusal: string): Judgement => ({ refusal, fencedBy: null, difference: null });

function differenceTo({ serverId, ensembleText }: Greeting, members: Ensemble): string | null {
  let theirs: Ensemble;
  try {
    theirs = parseEnsemble(ensembleText);
  } catch (error) {
    if (!(error instanceof InvalidEnsemble)) throw error;
    return `the members that server ${serverId} goes by cannot be read: ${error.message}`;
  }
  const difference = membersDifference(members, theirs);
  return difference === null
    ? null
    : `server ${serverId} has other members in its configuration: ${difference}`;
}
