/** Tools that work on the files of a server: what other packages may use. Apart, for a server needs none of it. */
export { type BackupOptions, type BackupReport, backUp } from './backup.ts';
export { type CheckOptions, type CheckReport, checkDataDirectory } from './check.ts';
export { type Description, lineOf } from './describe.ts';
export { ForeignDataDamaged, OfflineRefused } from './errors.ts';
export { type ExportOptions, type ExportReport, exportToZooKeeper } from './export.ts';
export { type ImportOptions, type ImportReport, importZooKeeper } from './import.ts';
export { type ListedFile, type ListRange, listFile, verdictOf } from './list-file.ts';
export type { OriginalSource } from './original/load.ts';
export type { OfflineEnvironment, OwnDirectories } from './own-data.ts';
export { type RestoreOptions, type RestoreReport, restoreBackup } from './restore.ts';
export type { Progress, StateSummary } from './state.ts';
export { type TakeoverOptions, type TakeoverReport, takeOver } from './takeover.ts';
