/**
 * A principal in an Envelope request, in the form that Kafka's own principal builder writes.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import { bool, string } from '../../schema/types.ts';

export const defaultPrincipalData = data(
  { name: 'DefaultPrincipalData', versions: [0, 0], flexibleSince: 0 },
  { type: string, name: string, tokenAuthenticated: bool },
);

export type DefaultPrincipalData = BodyOf<typeof defaultPrincipalData>;
