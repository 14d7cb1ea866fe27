/** The storage's limits as they are when nothing is configured. */
import type { StorageSettings } from './types.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_SETTINGS: StorageSettings = {
  logFileBytes: 64 * MIB,
  preallocateBytes: MIB,
  groupBytes: 4 * MIB,
  groupRecords: 4_096,
  pendingBytes: 64 * MIB,
  recordBytes: 64 * MIB,
  slowSyncMs: 1_000,
  forceSync: true,
  snapshotSliceMs: 1,
  snapshotSyncBytes: 8 * MIB,
  retainSnapshots: 3,
  purgeIntervalMs: 60 * 60 * 1_000,
};
