/**
 * A switch for those who look for mistakes: with ODRADEK_POISON=1 in the environment, memory that is
 * given back for other use (received bytes once they were handled, pooled buffers) is overwritten
 * first, so that whoever still reads it sees nonsense at once and not once in a thousand runs.
 */
export const poisonsReleasedMemory = process.env.ODRADEK_POISON === '1';
