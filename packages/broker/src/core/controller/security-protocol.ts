/**
 * The four security protocols a listener can speak, with the numbers that UpdateMetadata uses.
 * What each of them does on a socket is in `network/`.
 */

export const securityProtocols = {
  PLAINTEXT: 0,
  SSL: 1,
  SASL_PLAINTEXT: 2,
  SASL_SSL: 3,
} as const satisfies Record<string, number>;

export type SecurityProtocol = keyof typeof securityProtocols;

const byNumber = new Map<number, SecurityProtocol>([
  [0, 'PLAINTEXT'],
  [1, 'SSL'],
  [2, 'SASL_PLAINTEXT'],
  [3, 'SASL_SSL'],
]);

/** The protocol with this number on the wire; undefined for one that does not exist. */
export const securityProtocolOf = (wire: number): SecurityProtocol | undefined =>
  byNumber.get(wire);

/** Tells whether `name` is one of the four. */
export const isSecurityProtocol = (name: string): name is SecurityProtocol =>
  Object.hasOwn(securityProtocols, name);
