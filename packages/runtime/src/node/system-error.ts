/**
 * Reads the operating system's error code, such as ENOENT, off what Node threw. By its shape, not
 * its class: in a test runner's own realm Node's errors are instances of another Error.
 */

/** @returns the code, or undefined for an error that is not the system's */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The errors that were gathered into one, such as one for each address of a host; else none. */
export function partsOf(error: unknown): readonly unknown[] {
  if (typeof error !== 'object' || error === null || !('errors' in error)) return [];
  return Array.isArray(error.errors) ? error.errors : [];
}
