/**
 * Planted bugs of the log: what the simulation must find. Each is a change of the source, made while it is loaded, in a
 * process of its own. `from` stands exactly once in its file; a test holds that, and that each is found.
 */

export interface LogMutant {
  readonly name: string;
  /** What is wrong then, in one sentence. */
  readonly bug: string;
  /** Under packages/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** The first seed that is tried; those before it are known to miss it. */
  readonly firstSeed: number;
  /** Within how many seeds it must be found. */
  readonly seedsMax: number;
}

export const logMutants: readonly LogMutant[] = [
  {
    name: 'ack-before-write',
    bug: 'a batch counts as written before the system has it',
    file: 'broker/src/log/append-queue.ts',
    from: '    await (this.#owner.writeDurably(run, buffers) ??',
    to: '    this.#owner.written(run);\n    await (this.#owner.writeDurably(run, buffers) ??',
    firstSeed: 1,
    seedsMax: 60,
  },
  {
    name: 'torn-batches-believed',
    bug: 'recovery does not look at checksums',
    file: 'broker/src/log/recovery.ts',
    from: '{ from: 0, to: foundBytes, verify: true, between: saveAborted }',
    to: '{ from: 0, to: foundBytes, verify: false, between: saveAborted }',
    firstSeed: 1,
    seedsMax: 60,
  },
  {
    name: 'index-off-by-one',
    bug: 'an entry of the offset index points behind its batch',
    file: 'broker/src/log/segment.ts',
    from: 'this.offsetIndex.append(batch.lastOffset, this.sizeBytes);',
    to: 'this.offsetIndex.append(batch.lastOffset, this.sizeBytes + batch.sizeBytes);',
    firstSeed: 1,
    seedsMax: 60,
  },
  {
    name: 'recovery-point-before-sync',
    bug: 'the recovery point moves though only indexes were forced to the medium',
    file: 'broker/src/log/upkeep.ts',
    from: 'for (const path of [segment.logPath, ...segment.indexPaths]) {',
    to: 'for (const path of segment.indexPaths) {',
    firstSeed: 1,
    seedsMax: 60,
  },
  {
    name: 'promises-kept-over-a-cut',
    bug: 'a truncation leaves the recovery point of the checkpoint where it was',
    file: 'broker/src/log/truncation.ts',
    from: '  if (base >= state.recoveryPoint && endOffset >= state.logStartOffset) return;',
    to: '  if (base >= 0) return;',
    firstSeed: 600,
    seedsMax: 350,
  },
  {
    name: 'overtaken-flush',
    bug: 'a flush that a truncation overtook raises the recovery point all the same',
    file: 'broker/src/log/upkeep.ts',
    from: '  if (generation !== state.generation) return;\n',
    to: '',
    firstSeed: 30,
    seedsMax: 200,
  },
  {
    name: 'later-snapshot',
    bug: 'a snapshot of producers is believed though it was taken behind the end of the log',
    file: 'broker/src/log/producer-snapshots.ts',
    from: 'const newest = this.#offsets.findLast((at) => at <= offset);',
    to: 'const newest = this.#offsets.at(-1);',
    firstSeed: 1,
    seedsMax: 60,
  },
  {
    name: 'hole',
    bug: 'segments behind one that lost its end stay',
    file: 'broker/src/log/log-loader.ts',
    from: 'if ((cutBytes > 0 && !isWhole) || isShort) {',
    to: 'if (cutBytes > 0 && !isWhole) {',
    firstSeed: 1,
    seedsMax: 60,
  },
  {
    name: 'abort-forgotten',
    bug: 'recovery builds no transaction index',
    file: 'broker/src/log/recovery.ts',
    from: 'if (transaction !== null) aborted.push(transaction);',
    to: 'if (transaction === undefined) aborted.push(transaction);',
    firstSeed: 1,
    seedsMax: 60,
  },
];
