/**
 * A folder, free ports and child processes for a test that runs the built daemons and foreign clients.
 * Everything started here is stopped by its own id, and everything written here is removed, in `dispose`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const projectRoot = resolve(import.meta.dirname, '../..');

/** A program that ran to its end. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that goes on until told to stop. */
export class Daemon {
  readonly name: string;
  readonly child: ChildProcess;
  #output = '';
  readonly #waiting = new Set<() => void>();
  exited = false;

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
    const collect = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-1_000_000);
      for (const check of [...this.#waiting]) check();
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    child.on('exit', () => {
      this.exited = true;
      for (const check of [...this.#waiting]) check();
    });
  }

  get output(): string {
    return this.#output;
  }

  /** Resolves once `text` has been printed; rejects when the program ends or `limitMs` pass before. */
  async printed(text: string | RegExp, limitMs = 60_000): Promise<void> {
    await new Promise<void>((done, fail) => {
      const settle = (error?: Error): void => {
        this.#waiting.delete(check);
        clearTimeout(timer);
        if (error === undefined) done();
        else fail(error);
      };
      const check = (): void => {
        const found =
          typeof text === 'string' ? this.#output.includes(text) : text.test(this.#output);
        if (found) settle();
        else if (this.exited) {
          settle(new Error(`${this.name} ended before printing ${text}:\n${this.#output}`));
        }
      };
      const timer = setTimeout(
        () => settle(new Error(`${this.name} did not print ${text} in time:\n${this.#output}`)),
        limitMs,
      );
      this.#waiting.add(check);
      check();
    });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM', limitMs = 60_000): Promise<void> {
    if (this.exited) return;
    const gone = new Promise<void>((done) => this.child.once('exit', () => done()));
    this.child.kill(signal);
    const force = setTimeout(() => this.child.kill('SIGKILL'), limitMs);
    await gone;
    clearTimeout(force);
  }
}

export class Workspace {
  readonly directory = mkdtempSync(join(tmpdir(), 'odradek-'));
  readonly #daemons: Daemon[] = [];

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  write(name: string, content: string | Uint8Array): string {
    const path = this.path(name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  /** Starts a program in the background. */
  daemon(
    name: string,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Daemon {
    return this.#spawn(name, command, args, env, 'ignore');
  }

  /** The same for one that ends when its standard input does. */
  program(name: string, command: string, args: readonly string[]): Daemon {
    return this.#spawn(name, command, args, {}, 'pipe');
  }

  #spawn(
    name: string,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    input: 'ignore' | 'pipe',
  ): Daemon {
    const child = spawn(command, args, {
      cwd: this.directory,
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: [input, 'pipe', 'pipe'],
    });
    child.stdin?.on('error', () => {}); // It may end before we let it.
    const daemon = new Daemon(name, child);
    this.#daemons.push(daemon);
    return daemon;
  }

  /** Runs a program to its end, with `input` on its standard input. */
  async run(
    command: string,
    args: readonly string[],
    { input = '', limitMs = 120_000 }: { input?: string | Uint8Array; limitMs?: number } = {},
  ): Promise<Finished> {
    const child = spawn(command, args, {
      cwd: this.directory,
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => {}); // A program may end before it has read all of its input.
    child.stdin.end(input);
    const force = setTimeout(() => child.kill('SIGKILL'), limitMs);
    const code = await new Promise<number | null>((done, fail) => {
      child.once('error', fail);
      child.once('close', done);
    });
    clearTimeout(force);
    return {
      code,
      stdout: Buffer.concat(stdout).toString(),
      stderr: Buffer.concat(stderr).toString(),
    };
  }

  /** Runs one of our tools through its script in bin/. */
  tool(
    name: string,
    args: readonly string[],
    options?: Parameters<Workspace['run']>[2],
  ): Promise<Finished> {
    return this.run(join(projectRoot, 'bin', `${name}.sh`), args, options);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#daemons.reverse().map((daemon) => daemon.stop('SIGKILL')));
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Ports that were given out here and may not be listened on yet. */
const given = new Set<number>();

/** Ports that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePortsInARow(1));
  return ports;
}

/**
 * The first of so many ports in a row that nobody listens on now; below those that systems give to whoever connects. One of
 * those could be the near end of a connection when it is to be listened on, above all where a server comes back to the port
 * on which clients have tried to reach it all the while.
 */
export async function freePortsInARow(count: number): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const first = 12_000 + Math.floor(Math.random() * 18_000);
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if (ports.some((port) => given.has(port))) continue;
    try {
      await hold(ports);
    } catch {
      continue; // One of them is taken: others may be free.
    }
    for (const port of ports) given.add(port);
    return first;
  }
  throw new Error(`there are no ${count} free ports in a row`);
}

/** Listens on all of them at once for a moment. */
async function hold(ports: readonly number[]): Promise<void> {
  const servers = ports.map(() => createServer());
  try {
    await Promise.all(
      servers.map(
        (server, index) =>
          new Promise<void>((done, fail) => {
            server.once('error', fail);
            server.listen(ports[index], '127.0.0.1', done);
          }),
      ),
    );
  } finally {
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  }
}

/** Asks again until the answer is right; for conditions that another process brings about. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | false | null | undefined>,
  limitMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== false && answer !== null && answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(`${what}: not so after ${limitMs} ms`, { cause: last });
    await new Promise((done) => setTimeout(done, 100));
  }
}
