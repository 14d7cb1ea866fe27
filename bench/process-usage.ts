/** What a process takes of the machine, from Linux's /proc; zeros where there is none. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export interface Usage {
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly peakMegabytes: number;
  readonly nowMegabytes: number;
}

const TICKS_PER_SECOND = 100;

export function usage(pid: number): Usage {
  if (!existsSync(`/proc/${pid}/stat`))
    return { userSeconds: 0, systemSeconds: 0, peakMegabytes: 0, nowMegabytes: 0 };
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (name: string): number =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  return {
    userSeconds: Number(fields[11]) / TICKS_PER_SECOND,
    systemSeconds: Number(fields[12]) / TICKS_PER_SECOND,
    peakMegabytes: kilobytes('VmHWM') / 1024,
    nowMegabytes: kilobytes('VmRSS') / 1024,
  };
}

/** User and system time. */
export function cpuSeconds(pid: number): number {
  const { userSeconds, systemSeconds } = usage(pid);
  return userSeconds + systemSeconds;
}

/** Lets the peak of its memory count from now on. */
export function forgetPeak(pid: number): void {
  if (existsSync(`/proc/${pid}/clear_refs`)) writeFileSync(`/proc/${pid}/clear_refs`, '5');
}
