/** Chance over Node's cryptographic generator: nobody can predict session passwords or ids from it. */
import { randomBytes, randomInt } from 'node:crypto';
import type { Random } from '../environment.ts';

export const nodeRandom: Random = {
  bytes: (sizeBytes) => randomBytes(sizeBytes),
  below: (limit) => randomInt(limit),
};
