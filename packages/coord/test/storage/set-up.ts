/** Opens storages over a disk in memory and notes what they say. */
import {
  type Log,
  type LogFields,
  nodeEnvironment,
  type OdradekError,
  silentLog,
} from '@odradek/runtime';
import { openStorage } from '../../src/storage/storage.ts';
import type {
  LogRecord,
  ReplicatedStorage,
  Storage,
  StorageSettings,
} from '../../src/storage/types.ts';
import type { MemoryDisk } from './memory-disk.ts';

export const DATA = '/data';
export const FOLDER = '/data/odradek';

const { clock, timers, random } = nodeEnvironment();

export interface Opened {
  readonly storage: ReplicatedStorage;
  readonly failures: OdradekError[];
  readonly events: { readonly message: string; readonly fields: LogFields }[];
}

export async function open(
  disk: MemoryDisk,
  settings: Partial<StorageSettings> = {},
  {
    dataDirectory = DATA,
    logDirectory,
    autocreate = false,
    isAlone = false,
  }: {
    dataDirectory?: string;
    logDirectory?: string;
    autocreate?: boolean;
    isAlone?: boolean;
  } = {},
): Promise<Opened> {
  const failures: OdradekError[] = [];
  const events: { message: string; fields: LogFields }[] = [];
  const note = (message: string, fields: LogFields = {}): void => {
    events.push({ message, fields });
  };
  const log: Log = { ...silentLog, info: note, warn: note, error: note, child: () => log };
  const storage = await openStorage({
    environment: { clock, timers, random, disk, log },
    dataDirectory,
    logDirectory: logDirectory ?? dataDirectory,
    settings: { preallocateBytes: 4096, ...settings },
    autocreate,
    isAlone,
    onFailure: (error) => failures.push(error),
  });
  return { storage, failures, events };
}

/** Appends one record after the other in one turn; resolves when all are durable. */
export function append(
  storage: Storage,
  ...records: readonly (readonly [zxid: number, payload: string | Buffer])[]
): Promise<unknown> {
  return Promise.all(
    records.map(
      ([zxid, payload]) =>
        new Promise<void>((resolve, reject) => {
          storage.log.append(Buffer.from(payload), BigInt(zxid), resolve, reject);
        }),
    ),
  );
}

export async function recordsOf(storage: Storage): Promise<[number, string][]> {
  const records: [number, string][] = [];
  for await (const { zxid, payload } of storage.records) {
    records.push([Number(zxid), Buffer.from(payload).toString()]);
  }
  return records;
}

export async function snapshotOf(storage: Storage): Promise<string[] | null> {
  if (storage.snapshot === null) return null;
  const entries: string[] = [];
  for await (const entry of storage.snapshot) entries.push(Buffer.from(entry).toString());
  return entries;
}

export type { LogRecord };
