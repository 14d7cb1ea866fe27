/**
 * The configuration files of the servers of a plan: zoo.cfg as an operator would write it, with times as
 * short as a simulation likes them.
 */

import { CLIENT_PORT, DATA_DIRECTORY } from './coordinator-host.ts';
import type { Plan } from './plan.ts';

const INIT_LIMIT_TICKS = 10;
const SYNC_LIMIT_TICKS = 4;
/** In KiB; small, so that files end and begin often. */
const PREALLOCATE_KIB = 16;
const LOG_FILE_KIB = 48;

export function configurationOf({ servers, tickMs, snapCount, topology }: Plan): string {
  const lines = [
    `dataDir=${DATA_DIRECTORY}`,
    `clientPort=${CLIENT_PORT}`,
    `tickTime=${tickMs}`,
    `minSessionTimeout=${tickMs}`,
    `maxSessionTimeout=${tickMs * 40}`,
    `snapCount=${snapCount}`,
    `preAllocSize=${PREALLOCATE_KIB}`,
    `txnLogSizeLimitInKb=${LOG_FILE_KIB}`,
    'maxClientCnxns=0',
    'admin.enableServer=false',
    '4lw.commands.whitelist=*',
  ];
  if (topology === 'standalone') return lines.join('\n');
  lines.push(`initLimit=${INIT_LIMIT_TICKS}`, `syncLimit=${SYNC_LIMIT_TICKS}`);
  for (const { id, name, role, weight } of servers) {
    const suffix = role === 'observer' ? ':observer' : '';
    lines.push(`server.${id}=${name}:2182:2183${suffix};${CLIENT_PORT}`);
    if (weight !== 1 && role === 'participant') lines.push(`weight.${id}=${weight}`);
  }
  return lines.join('\n');
}
