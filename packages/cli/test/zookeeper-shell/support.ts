/** A coordination server in this process, and the shell run against it with text in place of a terminal. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningCoordinator, readZooCfg, startCoordinator } from '@odradek/coord';
import { type Environment, nodeEnvironment, parseProperties } from '@odradek/runtime';
import type { CommandContext, Completer, Question, Tool } from '../../src/context.ts';

export interface TestServer {
  readonly address: string;
  /** Present if the settings ask for one. */
  readonly secureAddress: string;
  stop(): Promise<void>;
}

/** @param settings further lines of zoo.cfg */
export async function startServer(settings = ''): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'odradek-shell-'));
  const text = `clientPort=0\ndataDir=${directory}\nextendedTypesEnabled=true\nadmin.enableServer=false\n${settings}`;
  const { values } = readZooCfg(parseProperties(text, 'zoo.cfg'), {
    source: 'zoo.cfg',
    homeDirectory: '/nowhere',
  });
  const running: RunningCoordinator = await startCoordinator(nodeEnvironment(), values);
  return {
    address: `127.0.0.1:${running.port}`,
    secureAddress: `127.0.0.1:${running.securePort}`,
    stop: async () => {
      await running.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface Run {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
  /** Both, in the order of writing. */
  readonly all: string;
}

/** What a person, or a pipe, does at the shell. */
export interface Conversation {
  readonly lines?: readonly string[];
  readonly isTerminal?: boolean;
  /** Called with each prompt; what it gives is typed. Instead of `lines`. */
  readonly answer?: (prompt: string, complete: Completer | undefined) => Promise<string | null>;
  readonly environment?: Partial<Environment>;
  readonly interrupted?: AbortSignal;
  /** Of the environment. */
  readonly variables?: Readonly<Record<string, string>>;
}

export async function run(
  tool: Tool,
  words: readonly string[],
  {
    lines = [],
    isTerminal = false,
    answer,
    environment,
    interrupted,
    variables = {},
  }: Conversation = {},
): Promise<Run> {
  const typed = [...lines];
  const written = { out: '', err: '', all: '' };
  const printTo = (stream: 'out' | 'err') => async (text: string | Uint8Array) => {
    written[stream] += Buffer.from(text).toString();
    written.all += Buffer.from(text).toString();
  };
  const never = new AbortController().signal;
  const context: CommandContext = {
    environment: { ...nodeEnvironment(), ...environment },
    stdout: printTo('out'),
    stderr: printTo('err'),
    lines: async function* () {},
    isTerminal,
    prompt: async (question: Question, complete?: Completer) => {
      if (answer === undefined) return typed.shift() ?? null;
      return await answer(typeof question === 'string' ? question : question(), complete);
    },
    interrupted: interrupted ?? never,
    outputClosed: never,
    processes: { list: async () => [], signal: () => {}, startDetached: async () => 1 },
    eventLoopDelay: () => ({ percentileMs: () => 0, maxMs: () => 0, reset: () => undefined }),
    openFilesLimit: () => null,
    serveMetrics: async (_metrics, { port }) => ({ port, close: async () => undefined }),
    upMs: () => 0,
    variables,
    homeDirectory: '/home/somebody',
    hostName: async () => 'localhost',
    baseDirectory: '/base',
  };
  const exitCode = await tool.run(words, context);
  return { exitCode, ...written };
}
