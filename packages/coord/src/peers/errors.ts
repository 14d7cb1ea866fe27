/** What can be wrong between servers. Addresses that are taken are runtime's AddressInUse. */
import { OdradekError } from '@odradek/runtime';

/** No way to that server now, or it does not want us; the message has the reason. */
export class PeerUnreachable extends OdradekError {
  override readonly name = 'PeerUnreachable';
  readonly code = 'PEER_UNREACHABLE';
  readonly retriable = true;
}

/** Bytes of a peer that are not what they should be: damaged under way, or not of ours. */
export class MalformedPeerData extends Error {
  override readonly name = 'MalformedPeerData';
}
