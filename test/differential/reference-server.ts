/**
 * The servers under comparison: ours as it is built, and Apache ZooKeeper, each alone, on free ports and an empty
 * directory, with the same settings. Apache's is 3.9.5 as Maven fetches it, or 3.8.0 as Debian packages it, which
 * answers some requests as 3.9 no longer does (older-release.ts).
 *
 * Nothing may happen on its own in either, or zxids would drift apart: ticks are a minute long, so that no
 * session expires during a sequence, and the reaper of containers never runs.
 */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fetchJars } from '../support/maven.ts';
import { eventually, freePorts, projectRoot, type Workspace } from '../support/workspace.ts';
import type { Door } from './player.ts';
import type { Profile } from './profiles.ts';
import type { SecurityFiles } from './security-files.ts';

/** Who may do everything: `super:secret`. */
export const SUPER_DIGEST = 'super:lK75jTNcA+U9vtVEw5vB51mj/w4=';
const REAPER_INTERVAL_MS = 2 ** 30;
const folder = join(import.meta.dirname, 'reference');

/** Apache ZooKeeper as it is at hand. */
export interface Reference {
  readonly name: string;
  readonly classPath: string;
}

export interface ComparedServer extends Door {
  readonly name: string;
  stop(): Promise<void>;
}

const DEBIAN_JAR = '/usr/share/java/zookeeper.jar';

/** @returns why there is none, or where it is */
export function findDebians(): Reference | string {
  if (!existsSync(DEBIAN_JAR)) return `there is no ${DEBIAN_JAR}`;
  return { name: 'ZooKeeper 3.8.0 of Debian', classPath: `${DEBIAN_JAR}:/usr/share/java/*` };
}

/** @returns why there is none, or where it is */
export function findReference(): Reference | string {
  const found = fetchJars(folder, /^zookeeper-3\.9/);
  return 'reason' in found ? found.reason : { name: 'Apache ZooKeeper 3.9.5', ...found };
}

const common = {
  tickTime: '60000',
  maxClientCnxns: '0',
  'admin.enableServer': 'false',
} as const;

/** What both read from their file. */
async function settingsOf(
  { settings }: Profile,
  files: SecurityFiles | null,
): Promise<{ text: (dataDir: string) => string; door: Door }> {
  const [port = 0, securePort = 0] = await freePorts(2);
  const secured = files === null ? {} : { ...files.settings, secureClientPort: String(securePort) };
  const { certificates } = files ?? {};
  return {
    text: (dataDir) =>
      cfg({ ...common, clientPort: String(port), dataDir, ...secured, ...settings }),
    door: { port, tls: certificates === undefined ? null : { port: securePort, certificates } },
  };
}

export async function startReference(
  workspace: Workspace,
  { name, classPath }: Reference,
  profile: Profile,
  files: SecurityFiles | null,
): Promise<ComparedServer> {
  const { text, door } = await settingsOf(profile, files);
  const directory = workspace.path(`reference-${door.port}`);
  const file = workspace.write(`reference-${door.port}.cfg`, text(directory));
  const daemon = workspace.daemon(name, 'java', [
    '-Xmx256m',
    '-XX:+UseSerialGC',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    '-Dzookeeper.jmx.log4j.disable=true',
    '-Dzookeeper.forceSync=no',
    '-Dzookeeper.extendedTypesEnabled=true',
    `-Dzookeeper.DigestAuthenticationProvider.superDigest=${SUPER_DIGEST}`,
    `-Dznode.container.checkIntervalMs=${REAPER_INTERVAL_MS}`,
    ...(files === null ? [] : [`-Djava.security.auth.login.config=${files.jaas}`]),
    '-cp',
    classPath,
    'org.apache.zookeeper.server.quorum.QuorumPeerMain',
    file,
  ]);
  await eventually(`${name} answers`, () => {
    if (daemon.exited) throw new Error(`${name} ended:\n${daemon.output}`);
    return answersWord(door.port);
  });
  return { name, ...door, stop: () => daemon.stop('SIGKILL') };
}

export async function startOurs(
  workspace: Workspace,
  profile: Profile,
  files: SecurityFiles | null,
): Promise<ComparedServer> {
  const { text, door } = await settingsOf(profile, files);
  const own = cfg({
    forceSync: 'no',
    extendedTypesEnabled: 'true',
    'DigestAuthenticationProvider.superDigest': SUPER_DIGEST,
    'znode.container.checkIntervalMs': String(REAPER_INTERVAL_MS),
    ...(files === null ? {} : { 'java.security.auth.login.config': files.jaas }),
  });
  const file = workspace.write(
    `ours-${door.port}.cfg`,
    text(workspace.path(`ours-${door.port}`)) + own,
  );
  const script = join(projectRoot, 'bin', 'zookeeper-server-start.sh');
  const daemon = workspace.daemon('ours', script, [file]);
  await daemon.printed('serving clients');
  return { name: 'Odradek', ...door, stop: () => daemon.stop('SIGKILL') };
}

const cfg = (entries: Readonly<Record<string, string>>): string =>
  Object.entries(entries)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');

/** `srvr` is on every server's list of words. */
function answersWord(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('srvr'));
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(answer.includes('Mode: standalone')));
  });
}
