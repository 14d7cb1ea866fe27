/** A server of Apache ZooKeeper in a process of its own, on a free port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

/** Debian's package `zookeeper`. */
const DEBIAN_JAR = '/usr/share/java/zookeeper.jar';
export const debianClassPath: string | null = existsSync(DEBIAN_JAR)
  ? `${DEBIAN_JAR}:/usr/share/java/*`
  : null;

/** What `super:secret` is to a server that knows it as its super user. */
export const SUPER_DIGEST = 'super:lK75jTNcA+U9vtVEw5vB51mj/w4=';
const START_LIMIT_MS = 40_000;

export interface OriginalOptions {
  readonly classPath: string;
  readonly dataDirectory: string;
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Java system properties. */
  readonly properties?: Readonly<Record<string, string | number>>;
}

export class OriginalServer {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.#process = process;
    this.#exited = once(process, 'exit');
  }

  static async start({
    classPath,
    dataDirectory,
    settings = {},
    properties = {},
  }: OriginalOptions): Promise<OriginalServer> {
    const port = await freePort();
    await mkdir(dataDirectory, { recursive: true });
    const configuration = join(dataDirectory, 'zoo.cfg');
    const keys = {
      dataDir: dataDirectory,
      clientPort: port,
      tickTime: 500,
      maxSessionTimeout: 600_000,
      maxClientCnxns: 0,
      '4lw.commands.whitelist': '*',
      ...settings,
    };
    await writeFile(
      configuration,
      Object.entries(keys)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(''),
    );
    const system = {
      'org.slf4j.simpleLogger.defaultLogLevel': 'error',
      'zookeeper.jmx.log4j.disable': 'true',
      'zookeeper.admin.enableServer': 'false',
      'zookeeper.extendedTypesEnabled': 'true',
      'zookeeper.DigestAuthenticationProvider.superDigest': SUPER_DIGEST,
      ...properties,
    };
    const java = spawn(
      'java',
      [
        '-Xmx192m',
        '-XX:+UseSerialGC',
        '-XX:TieredStopAtLevel=1',
        ...Object.entries(system).map(([name, value]) => `-D${name}=${value}`),
        '-cp',
        classPath,
        'org.apache.zookeeper.server.quorum.QuorumPeerMain',
        configuration,
      ],
      { stdio: 'ignore' },
    );
    const server = new OriginalServer(port, java);
    try {
      await server.#untilServing();
      return server;
    } catch (error) {
      await server.stop('SIGKILL');
      throw error;
    }
  }

  /** @param signal SIGKILL for a server that gets no chance to tidy up */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#process.kill(signal);
    await this.#exited;
  }

  async #untilServing(): Promise<void> {
    const deadline = Date.now() + START_LIMIT_MS;
    while (Date.now() < deadline && this.#process.exitCode === null) {
      // It answers before it serves; only then does it have a mode.
      if ((await answerTo(this.port, 'srvr')).includes('Mode:')) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`ZooKeeper did not start (exit code ${this.#process.exitCode})`);
  }
}

/** What is said to a four-letter word; nothing where nobody listens, or where somebody is silent. */
async function answerTo(port: number, word: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', timeout: 2_000 });
  socket.on('timeout', () => socket.destroy());
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  socket.write(word);
  await new Promise<void>((resolve) => {
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
  });
  return answer;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
