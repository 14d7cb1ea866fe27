/** How many files and connections this process may have open at once. */
import { readFileSync } from 'node:fs';

/**
 * As `ulimit -n` of the shell that started the process, or more: Node raises it to what it may.
 * @returns null when the system does not say, and for no limit
 */
export function openFilesLimit(): number | null {
  const soft = process.platform === 'linux' ? ofProc() : ofReport();
  return typeof soft === 'number' && Number.isSafeInteger(soft) ? soft : null;
}

function ofProc(): number | null {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null; // No /proc in this container.
  }
}

/** Slower: the report is about everything. */
function ofReport(): unknown {
  const report: unknown = process.report?.getReport();
  const limits = field(report, 'userLimits');
  return field(field(limits, 'open_files'), 'soft');
}

function field(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? Reflect.get(of, name) : undefined;
}
