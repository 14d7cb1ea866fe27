/** A file that cannot be dumped any further: one clear line, and exit code 1. */
export class DumpFailure extends Error {
  override readonly name = 'DumpFailure';
  readonly code = 'DUMP_FAILURE';
  readonly retriable = false;
}
