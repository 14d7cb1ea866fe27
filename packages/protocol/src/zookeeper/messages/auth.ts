/** auth (100): adds an identity to the connection. whoAmI (107): lists them. */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';

export const authPacket = record('AuthPacket', {
  type: jute.int,
  scheme: jute.nullableUstring,
  auth: jute.nullableBuffer,
});
export type AuthPacket = BodyOf<typeof authPacket>;

export const whoAmIResponse = record('WhoAmIResponse', {
  clientInfo: jute.vector({ authScheme: jute.ustring, user: jute.ustring }),
});
export type WhoAmIResponse = BodyOf<typeof whoAmIResponse>;

/** sasl (102): one step of an exchange. A null token says that the server has no SASL. */
export const saslRequest = record('GetSASLRequest', { token: jute.nullableBuffer });
export const saslResponse = record('SetSASLResponse', { token: jute.nullableBuffer });
