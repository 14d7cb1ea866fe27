/**
 * Who a process is: its id, and its start time where the system tells it, since ids are used again.
 */
import { readFile } from 'node:fs/promises';
import { systemCodeOf } from './system-error.ts';

export interface ProcessIdentity {
  readonly pid: number;
  /** Boot id and start time in clock ticks since boot, as one opaque text; null where /proc is not there. */
  readonly startedAt: string | null;
}

interface ProcessStatus {
  /** R, S, D, T, Z (ended, not yet collected by its parent), X. */
  readonly state: string;
  readonly startTicks: string;
}

async function textOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return null;
  }
}

async function statusOf(pid: number): Promise<ProcessStatus | null> {
  const text = await textOrNull(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The second field is the program's name in parentheses and may hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const startTicks = fields[19]; // Field 22 of proc(5)'s stat; the state is field 3.
  return state === undefined || startTicks === undefined ? null : { state, startTicks };
}

async function startedAt(status: ProcessStatus): Promise<string> {
  const bootId = (await textOrNull('/proc/sys/kernel/random/boot_id'))?.trim() ?? '';
  return `${bootId}/${status.startTicks}`;
}

export async function thisProcess(): Promise<ProcessIdentity> {
  const status = await statusOf(process.pid);
  return { pid: process.pid, startedAt: status === null ? null : await startedAt(status) };
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0); // Signal 0 is never delivered; it only asks.
    return true;
  } catch (error) {
    return systemCodeOf(error) === 'EPERM';
  }
}

/** Tells whether exactly this process, not another one with its id, is still running. */
export async function isAlive({ pid, startedAt: expected }: ProcessIdentity): Promise<boolean> {
  if (!exists(pid)) return false;
  const status = await statusOf(pid);
  if (status === null) return exists(pid); // No /proc, or it ended just now.
  if (status.state === 'Z' || status.state === 'X') return false;
  return expected === null || expected === (await startedAt(status));
}
