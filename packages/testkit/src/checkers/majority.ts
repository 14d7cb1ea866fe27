/**
 * Which servers decide together, counted anew and as plainly as can be: more than half of all votes.
 */
export interface Voter {
  readonly name: string;
  /** 0 for who never counts. */
  readonly weight: number;
}

export function decides(voters: readonly Voter[], present: Iterable<string>): boolean {
  const names = new Set(present);
  let all = 0;
  let there = 0;
  for (const { name, weight } of voters) {
    all += weight;
    if (names.has(name)) there += weight;
  }
  return 2 * there > all;
}
