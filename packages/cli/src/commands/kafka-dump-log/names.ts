/** What the name of a file says, as Kafka's tool reads it. */
import { dirname, resolve } from 'node:path';
import { DumpFailure } from './dump-failure.ts';

/** From the last dot on. @throws DumpFailure for a name without one, such as a checkpoint of offsets */
export function suffixOf(name: string): string {
  const dot = name.lastIndexOf('.');
  if (dot >= 0) return name.slice(dot);
  throw new DumpFailure(
    `${name}: the name has no suffix to tell its kind by; .log, .index, .timeindex, .txnindex, .snapshot and .checkpoint are known`,
  );
}

/** @throws DumpFailure when the name does not begin with an offset */
export function baseOffsetOf(name: string): number {
  const [stem = ''] = name.split('.');
  if (/^[+-]?\d+$/.test(stem)) return Number(stem);
  throw new DumpFailure(`${name}: the name does not begin with the offset of its first record`);
}

/** The end of a Raft snapshot, which its name tells. */
export function snapshotEndOf(name: string): { offset: number; epoch: number } {
  const [, offset, epoch] = /^(\d{20})-(\d{10})/.exec(name) ?? [];
  if (offset !== undefined && epoch !== undefined) {
    return { offset: Number(offset), epoch: Number(epoch) };
  }
  throw new DumpFailure(`${name}: not the name of a snapshot, offset and epoch`);
}

/** Another file of the same segment. */
export function siblingOf(path: string, name: string, suffix: string): string {
  return resolve(dirname(resolve(path)), `${name.split('.')[0]}${suffix}`);
}
