/** A coordinator in this process, on a free port and a directory of its own. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Environment,
  type Log,
  type LogFields,
  nodeEnvironment,
  parseProperties,
} from '@odradek/runtime';
import {
  type CoordinatorServices,
  type RunningCoordinator,
  readZooCfg,
  startCoordinator,
} from '../../src/index.ts';

/** What a server wrote into its log: a line per event. */
export class LogLines implements Log {
  readonly lines: string[] = [];

  #add(level: string, message: string, fields: LogFields | undefined): void {
    const shown = Object.entries(fields ?? {}).map(([key, value]) => ` ${key}=${value}`);
    this.lines.push(`${level} ${message}${shown.join('')}`);
  }
  error(message: string, fields?: LogFields): void {
    this.#add('error', message, fields);
  }
  warn(message: string, fields?: LogFields): void {
    this.#add('warn', message, fields);
  }
  info(message: string, fields?: LogFields): void {
    this.#add('info', message, fields);
  }
  debug(): void {}
  child(): Log {
    return this;
  }
}

export interface TestServer {
  readonly port: number;
  readonly directory: string;
  readonly running: RunningCoordinator;
  readonly log: LogLines;
}

/** Starts servers and, at the end of a test, stops them and removes what they wrote. */
export class Servers {
  readonly #running: RunningCoordinator[] = [];
  readonly #directories: string[] = [];

  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'odradek-coord-'));
    this.#directories.push(directory);
    return directory;
  }

  /** @param settings zoo.cfg keys on top of a free port and a fresh directory */
  async start(
    settings: Readonly<Record<string, string | number>> = {},
    ports: Partial<Environment> = {},
    services: CoordinatorServices = {},
  ): Promise<TestServer> {
    const log = new LogLines();
    const environment = { ...nodeEnvironment({ log }), ...ports, log };
    const directory = String(settings.dataDir ?? (await this.directory()));
    const text = Object.entries({ clientPort: 0, tickTime: 1000, ...settings, dataDir: directory })
      .map(([key, value]) => `${key}=${value}`)
      .join('\n');
    const { values } = readZooCfg(parseProperties(text, 'zoo.cfg'), {
      source: 'zoo.cfg',
      homeDirectory: '/nowhere',
    });
    const running = await startCoordinator(environment, values, services);
    this.#running.push(running);
    return { port: running.port, directory, running, log };
  }

  /** What a server that is killed now leaves on its disk: a copy of its files, without its lock. */
  async crashImage({ directory }: TestServer): Promise<string> {
    const image = await this.directory();
    await cp(directory, image, {
      recursive: true,
      filter: (path) => !/(\/lock|\.tmp)$/.test(path),
    });
    return image;
  }

  async stopAll(): Promise<void> {
    for (const running of this.#running.splice(0)) await running.stop();
    for (const directory of this.#directories.splice(0)) {
      await rm(directory, { recursive: true, force: true });
    }
  }
}
