#!/usr/bin/env node
/**
 * The one program behind all script names: `main.js TOOL [words]`. It fills the command context from the process,
 * runs the tool, and turns what comes back into an exit code. The only file here that sees `process`.
 */
import { lookup } from 'node:dns/promises';
import { homedir, hostname } from 'node:os';
import { resolve } from 'node:path';
import {
  LOG_LEVELS,
  nodeEnvironment,
  nodeEventLoopDelay,
  openFilesLimit,
  serveMetrics,
} from '@odradek/runtime';
import type { CommandContext, Tool } from './context.ts';
import { lazyLog } from './node/lazy-log.ts';
import { nodeProcesses } from './node/processes.ts';
import { linesOf, Prompter, printerTo } from './node/terminal.ts';
import { UsageError } from './options.ts';
import { toolNames, tools } from './tools.ts';

/** What a shell reports for a program that a signal ended: 128 + the signal's number. */
const EXIT_CODE_OF_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;

/** Nothing depends on this: an armed timer is what counts. */
const HOLD_OPEN_MS = 60_000;

async function main(): Promise<number> {
  const [name = '', ...words] = process.argv.slice(2);
  const load = tools[name];
  if (load === undefined) {
    process.stderr.write(
      `usage: odradek TOOL [options], where TOOL is one of:\n  ${toolNames.join('\n  ')}\n`,
    );
    return 1;
  }
  const tool = await load();
  const outputClosed = new AbortController();
  const stderr = printerTo(process.stderr, new AbortController());
  const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  const prompter = new Prompter(isTerminal);
  const stdout = prompter.printAbove(printerTo(process.stdout, outputClosed));
  const interrupted = new AbortController();
  let signalled: keyof typeof EXIT_CODE_OF_SIGNAL | null = null;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // The second time is an order: whoever asks twice does not want to wait.
      if (signalled !== null) process.exit(EXIT_CODE_OF_SIGNAL[signal]);
      signalled = signal;
      interrupted.abort();
    });
  }
  const { ODRADEK_LOG_LEVEL, ODRADEK_LOG_FORMAT } = process.env;
  const log = lazyLog(
    LOG_LEVELS.find((level) => level === ODRADEK_LOG_LEVEL) ?? tool.logging.level,
    ODRADEK_LOG_FORMAT === 'json' ? 'json' : 'text',
    tool.logging.to === 'stdout' ? process.stdout : process.stderr,
  );
  const context: CommandContext = {
    environment: nodeEnvironment({ log: log.log }),
    stdout,
    stderr,
    lines: () => linesOf(process.stdin),
    isTerminal,
    prompt: (question, complete) => prompter.ask(question, complete),
    interrupted: interrupted.signal,
    outputClosed: outputClosed.signal,
    processes: nodeProcesses,
    eventLoopDelay: nodeEventLoopDelay,
    openFilesLimit,
    serveMetrics,
    upMs: () => process.uptime() * 1000,
    variables: process.env,
    homeDirectory: homedir(),
    hostName: resolvableHostName,
    baseDirectory: resolve(import.meta.dirname, '../../..'),
  };
  // Timers of the runtime do not keep a process alive; a running tool does.
  const holdOpen = setInterval(() => undefined, HOLD_OPEN_MS);
  try {
    if (words.length === 0 && tool.wantsWords) throw new UsageError('');
    const code = await tool.run(words, context);
    return tool.reportsSignal && signalled !== null ? EXIT_CODE_OF_SIGNAL[signalled] : code;
  } catch (failure) {
    return explain(tool, failure);
  } finally {
    clearInterval(holdOpen);
    prompter.close();
    await log.flush();
  }
}

/** A name that nobody can look up would lock every client out, so it is tried first. */
async function resolvableHostName(): Promise<string> {
  const name = hostname();
  return await lookup(name).then(
    () => name,
    () => 'localhost',
  );
}

function explain(tool: Tool, failure: unknown): number {
  if (failure instanceof UsageError) {
    const message = failure.message === '' ? '' : `${failure.message}\n`;
    process.stderr.write(message + tool.usage());
  } else if (failure instanceof Error && 'retriable' in failure) {
    // A failure of the world, said in one line; what it came from is for the log.
    process.stderr.write(`${tool.name}: ${failure.message}\n`);
  } else {
    process.stderr.write(
      `${failure instanceof Error ? (failure.stack ?? failure.message) : failure}\n`,
    );
  }
  return 1;
}

process.exitCode = await main();
// Output that is still on its way to a pipe is written before the process ends; nothing else may keep it alive.
await Promise.all(
  [process.stdout, process.stderr].map(
    (stream) =>
      new Promise<void>((done) => (stream.writable ? stream.write('', () => done()) : done())),
  ),
);
process.exit();
