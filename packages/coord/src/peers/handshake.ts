/**
 * The beginning of a link, as caller and as called one: greetings go both ways and are judged; what
 * comes of it is told to whoever wanted the link, and refusals to the log and to the other side.
 */
import { X509Certificate } from 'node:crypto';
import type { Connection, ConnectionHandler } from '@odradek/runtime';
import type { Ensemble } from '../core/quorum/ensemble.ts';
import { PeerUnreachable } from './errors.ts';
import type { Purpose } from './frame.ts';
import {
  encodeGreeting,
  encodeRefusal,
  type Greeting,
  type Judgement,
  judgeAnswer,
  judgeCaller,
} from './greeting.ts';
import { type ConnectionParts, type PayloadHandler, PeerConnection } from './peer-connection.ts';
import type { RepeatedLog } from './repeated-log.ts';
import type { PeerIdentity } from './types.ts';

/** What both sides of every link have in common. */
export interface HandshakeParts extends Omit<ConnectionParts, 'purpose'> {
  readonly log: RepeatedLog;
  readonly identity: () => PeerIdentity;
  readonly members: () => { readonly text: string; readonly ensemble: Ensemble };
  readonly fenced: (fence: number, peerId: number) => void;
  /** Of who calls us, a certificate must be made out to where it is. */
  readonly verifyCallers: () => boolean;
}

/** A link that stands, and how it is received on. */
export interface Attached {
  readonly payloadBytesMax: number;
  readonly handler: PayloadHandler;
}

const greetingTo = ({ identity, members }: HandshakeParts, dialedId: number): Greeting => ({
  ...identity(),
  dialedId,
  ensembleText: members().text,
});

/** @returns whether the link may stand */
function follow(parts: HandshakeParts, peerId: number, judgement: Judgement): boolean {
  const { refusal, fencedBy, difference } = judgement;
  if (fencedBy !== null) parts.fenced(fencedBy, peerId);
  if (difference !== null) parts.log.warn('the servers do not agree', { reason: difference });
  return refusal === null;
}

/**
 * @param answered called when the other side is who it should be, from within a receipt
 * @param failed called instead; a word for the log
 */
export function call(
  parts: HandshakeParts,
  purpose: Purpose,
  dialedId: number,
  connection: Connection,
  outcome: {
    answered(link: PeerConnection): Attached;
    failed(error: PeerUnreachable): void;
  },
): ConnectionHandler {
  const self = greetingTo(parts, dialedId);
  const link: PeerConnection = new PeerConnection({ ...parts, purpose }, connection, {
    greeted(answer) {
      const judgement = judgeAnswer(self, answer, parts.members().ensemble);
      if (follow(parts, dialedId, judgement)) {
        const { payloadBytesMax, handler } = outcome.answered(link);
        link.open(payloadBytesMax, handler);
        return;
      }
      const reason = judgement.refusal ?? '';
      link.close(reason);
      outcome.failed(new PeerUnreachable(reason));
    },
    failed: (reason) => outcome.failed(new PeerUnreachable(reason)),
  });
  link.greet(encodeGreeting(self));
  return link.handler;
}

/** @param greeted called when the caller may talk to us; null when nobody wants the link after all */
export function answer(
  parts: HandshakeParts,
  purpose: Purpose,
  connection: Connection,
  greeted: (link: PeerConnection, callerId: number) => Attached,
  over: () => void,
): ConnectionHandler {
  const refuse = (link: PeerConnection, reason: string): void => {
    parts.log.warn('a server was refused', { peer: connection.remoteAddress, purpose, reason });
    link.greet(encodeRefusal(reason));
    link.hangUp();
  };
  const link: PeerConnection = new PeerConnection({ ...parts, purpose }, connection, {
    greeted(caller) {
      over();
      const { serverId } = caller;
      const self = greetingTo(parts, serverId);
      const { ensemble } = parts.members();
      const judgement = judgeCaller(self, caller, ensemble);
      const foreign = parts.verifyCallers() ? certificateFault(connection, caller, ensemble) : null;
      const isFine = foreign === null && follow(parts, serverId, judgement);
      if (!isFine) {
        refuse(link, foreign ?? judgement.refusal ?? '');
        return;
      }
      link.greet(encodeGreeting(self));
      const { payloadBytesMax, handler } = greeted(link, serverId);
      link.open(payloadBytesMax, handler);
    },
    failed(reason) {
      over();
      const peer = connection.remoteAddress;
      parts.log.warn('a connection to the ports between servers was refused', {
        peer,
        purpose,
        reason,
      });
    },
  });
  return link.handler;
}

/** Whether the caller's certificate is made out to where it calls from, or to one of its hosts. */
function certificateFault(
  { tls, remoteAddress }: Connection,
  { serverId }: Greeting,
  ensemble: Ensemble,
): string | null {
  const der = tls?.peerCertificate ?? null;
  if (der === null) return null;
  const certificate = new X509Certificate(der);
  const hosts = ensemble.servers.get(serverId)?.addresses.map(({ host }) => host) ?? [];
  const isMadeOutTo = (host: string): boolean =>
    certificate.checkIP(host) !== undefined || certificate.checkHost(host) !== undefined;
  if ([remoteAddress, ...hosts].some(isMadeOutTo)) return null;
  return `the certificate of server ${serverId} is made out to another host (ssl.quorum.clientHostnameVerification)`;
}
