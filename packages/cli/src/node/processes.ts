/** Other programs of this machine: what the -daemon flag and the -stop commands need. */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { ProcessEntry, Processes } from '../context.ts';

const LIST_MAX_BYTES = 64 * 1024 * 1024;

export const nodeProcesses: Processes = {
  async list(): Promise<readonly ProcessEntry[]> {
    const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,args='], {
      maxBuffer: LIST_MAX_BYTES,
    });
    return stdout
      .split('\n')
      .map((line) => /^\s*(\d+) (.*)$/.exec(line))
      .filter((match) => match !== null)
      .map(([, pid, commandLine]) => ({ pid: Number(pid), commandLine: commandLine ?? '' }));
  },

  signal(pid, signal) {
    process.kill(pid, signal.startsWith('SIG') ? signal : `SIG${signal}`);
  },

  startDetached(words, outputFile) {
    mkdirSync(dirname(outputFile), { recursive: true });
    const output = openSync(outputFile, 'a');
    return new Promise((resolve, reject) => {
      // With Node's own options as this process has them.
      const own = [...process.execArgv, process.argv[1] ?? ''];
      const child = spawn(process.execPath, [...own, ...words], {
        detached: true,
        stdio: ['ignore', output, output],
      });
      child.once('error', reject);
      child.once('spawn', () => {
        child.unref();
        resolve(child.pid ?? 0);
      });
    });
  },
};
