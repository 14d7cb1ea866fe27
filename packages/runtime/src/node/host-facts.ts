/** What kind of machine and process this is, for whoever asks a daemon about its surroundings. */
import {
  arch,
  freemem,
  homedir,
  hostname,
  release,
  tmpdir,
  totalmem,
  type,
  userInfo,
} from 'node:os';
import { dirname } from 'node:path';

export interface HostFacts {
  readonly hostName: string;
  readonly nodeVersion: string;
  readonly v8Version: string;
  /** The folder of the Node executable. */
  readonly nodeHome: string;
  /** The script that the process runs; empty when there is none. */
  readonly script: string;
  readonly temporaryFolder: string;
  readonly osName: string;
  /** In Node's words: x64, arm64. */
  readonly osArchitecture: string;
  readonly osVersion: string;
  readonly userName: string;
  readonly userHome: string;
  readonly workingFolder: string;
  readonly processId: number;
  /** Of the machine. */
  readonly freeMemoryBytes: number;
  readonly totalMemoryBytes: number;
  /** What the process holds in RAM. */
  readonly residentMemoryBytes: number;
}

/** As of now. */
export function describeHost(): HostFacts {
  return {
    hostName: hostname(),
    nodeVersion: process.version,
    v8Version: process.versions.v8,
    nodeHome: dirname(dirname(process.execPath)),
    script: process.argv[1] ?? '',
    temporaryFolder: tmpdir(),
    osName: type(),
    osArchitecture: arch(),
    osVersion: release(),
    userName: userNameOrId(),
    userHome: homedir(),
    workingFolder: process.cwd(),
    processId: process.pid,
    freeMemoryBytes: freemem(),
    totalMemoryBytes: totalmem(),
    residentMemoryBytes: process.memoryUsage.rss(),
  };
}

/** In a container the user may have a number and no name. */
function userNameOrId(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? '');
  }
}
