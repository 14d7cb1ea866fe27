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
  /** The logs are those that a cleaner compacts. */
  readonly compacted?: true;
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
    from: '    const durable = this.#owner.writeDurably(run, buffers);\n',
    to: '    this.#owner.written(run);\n    const durable = this.#owner.writeDurably(run, buffers);\n',
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
    firstSeed: 650,
    seedsMax: 60,
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
  {
    name: 'compacted-not-synced',
    bug: 'a compacted segment takes its place before it is on the medium',
    file: 'broker/src/log/compaction/cleaned-segment.ts',
    from: '    await this.#file.sync();\n    await this.#close();',
    to: '    await this.#close();',
    compacted: true,
    firstSeed: 1,
    seedsMax: 100,
  },
  {
    name: 'old-before-new',
    bug: 'the old segments go before the new one has its name',
    file: 'broker/src/log/compaction/replace-segments.ts',
    from: '  await renameFiles(resources, cleanedSegment(folder, cleaned.baseOffset), swapped);\n',
    to: '  await retireSegments(resources, sources, config.fileDeleteDelayMs);\n  await renameFiles(resources, cleanedSegment(folder, cleaned.baseOffset), swapped);\n',
    compacted: true,
    firstSeed: 1,
    seedsMax: 100,
  },
  {
    name: 'clean-too-early',
    bug: 'a log counts as compacted before it is',
    file: 'broker/src/log/compaction/log-cleaner.ts',
    from: '    try {\n      const result = await compactLog',
    to: '    try {\n      await compaction.moveTo(dirt.firstUncleanableOffset);\n      const result = await compactLog',
    compacted: true,
    firstSeed: 1,
    seedsMax: 100,
  },
  {
    name: 'start-after-clean',
    bug: 'the offset up to which a log is clean is written down before its start',
    file: 'broker/src/log/log-chores.ts',
    from: "    await this.#checkpointLogStarts();\n    await this.#checkpoint('writeCleanerOffsets', (log) => log.compaction.cleanedUpTo);\n",
    to: "    await this.#checkpoint('writeCleanerOffsets', (log) => log.compaction.cleanedUpTo);\n    await this.#checkpointLogStarts();\n",
    compacted: true,
    firstSeed: 740,
    seedsMax: 30,
  },
  {
    name: 'tombstones-at-once',
    bug: 'delete.retention.ms does not count',
    file: 'broker/src/core/compaction/batch-filter.ts',
    from: 'this.#options.wallTimeMs + this.#options.deleteRetentionMs',
    to: 'this.#options.wallTimeMs',
    compacted: true,
    firstSeed: 1,
    seedsMax: 100,
  },
  {
    name: 'undecided-compacted',
    bug: 'compaction does not stop at open transactions',
    file: 'broker/src/core/compaction/cleanable.ts',
    from: 'return Math.min(lastStableOffset, active, ',
    to: 'return Math.min(Math.max(lastStableOffset, active), active, ',
    compacted: true,
    firstSeed: 1,
    seedsMax: 100,
  },
  {
    name: 'table-full-ignored',
    bug: 'keys that found no room in the table count as compacted',
    file: 'broker/src/log/compaction/tasks.ts',
    from: '    if (full) break;\n',
    to: '    if (full && segments.length < 0) break;\n',
    compacted: true,
    firstSeed: 1,
    seedsMax: 100,
  },
  {
    name: 'headers-dropped',
    bug: 'emptied batches go that bear a last sequence or the end of what was compacted',
    file: 'broker/src/core/compaction/batch-filter.ts',
    from: '    const keepsHeader = this.#keepsHeader(buffer, at, last, control);',
    to: '    const keepsHeader = this.#keepsHeader(buffer, at, last, control) && last < 0;',
    compacted: true,
    firstSeed: 390,
    seedsMax: 30,
  },
  {
    name: 'cut-stays-clean',
    bug: 'what comes in place of what was cut counts as compacted',
    file: 'broker/src/log/compaction/log-compaction.ts',
    from: 'if (this.cleanedUpTo !== null && this.cleanedUpTo > offset) await',
    to: 'if (this.cleanedUpTo !== null && offset < 0) await',
    compacted: true,
    firstSeed: 1,
    seedsMax: 100,
  },
  {
    name: 'zeros-stay',
    bug: 'a segment whose spare room was cut off counts as being on the medium',
    file: 'broker/src/log/upkeep.ts',
    from: '      old.hasLooseIndexes = true; // As in writeIndexes.\n',
    to: '',
    compacted: true,
    firstSeed: 1580,
    seedsMax: 30,
  },
];
