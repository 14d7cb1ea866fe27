/**
 * The passwords that ZooKeeper gives to sessions: derived from the session's number by Java's random
 * generator with a public constant. An imported session gets that one, so that its client can go on
 * with it here.
 */

const SUPER_SECRET = 0xb3415c00n;
const PASSWORD_INTS = 4;

/** java.util.Random: a 48-bit linear congruential generator. */
const MULTIPLIER = 0x5deece66dn;
const INCREMENT = 0xbn;
const STATE_BITS = 48;

export function derivedPassword(sessionId: bigint): Buffer {
  let state = BigInt.asUintN(STATE_BITS, sessionId ^ SUPER_SECRET ^ MULTIPLIER);
  const password = Buffer.alloc(PASSWORD_INTS * 4);
  for (let index = 0; index < PASSWORD_INTS; index += 1) {
    state = BigInt.asUintN(STATE_BITS, state * MULTIPLIER + INCREMENT);
    // nextBytes takes the bytes of each number from the lowest on.
    password.writeInt32LE(Number(BigInt.asIntN(32, state >> 16n)), index * 4);
  }
  return password;
}
