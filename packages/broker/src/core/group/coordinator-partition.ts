/** Which partition of an internal topic is responsible for a group or a transactional id. */

/** Java's String.hashCode: over UTF-16 units, in 32-bit arithmetic. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) {
    hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0;
  }
  return hash;
}

/** @param partitionCount of the internal topic, at least 1 */
export function coordinatorPartition(id: string, partitionCount: number): number {
  const hash = javaHash(id);
  // The one hash without a positive twin counts as 0.
  return (hash === -2147483648 ? 0 : Math.abs(hash)) % partitionCount;
}
