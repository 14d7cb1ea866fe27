/**
 * What a command may touch. Commands are handed this and nothing else, so that a test can run one
 * with text in place of a terminal; only main.ts fills it from the process.
 */
import type { DelaySource, Environment, Metrics, MetricsPage } from '@odradek/runtime';
import type { Logging } from './logging.ts';

/** A stream of text lines from outside, without their line ends. */
export type LineSource = AsyncIterable<Buffer>;

/** Where a command writes; resolves when the reader can take more. */
export type Print = (text: string | Uint8Array) => Promise<void>;

/** Another program on this machine. */
export interface ProcessEntry {
  readonly pid: number;
  /** The whole command line, words separated by spaces. */
  readonly commandLine: string;
}

/** Programs of this machine, for the -start and -stop commands. */
export interface Processes {
  list(): Promise<readonly ProcessEntry[]>;
  /** Sends a signal by name, such as TERM. */
  signal(pid: number, signal: string): void;
  /** Starts this program again with other words, in the background, with its output in a file. */
  startDetached(words: readonly string[], outputFile: string): Promise<number>;
}

export interface CommandContext {
  /** Log events of this environment go to standard error. */
  readonly environment: Environment;
  readonly stdout: Print;
  readonly stderr: Print;
  /** Standard input, line by line. */
  lines(): LineSource;
  /** Standard input and output are both a person's terminal. */
  readonly isTerminal: boolean;
  /** Reads one line after showing a prompt, with history; null at the end of the input. */
  prompt(question: Question, complete?: Completer): Promise<string | null>;
  /** Aborted once when the user or the system asks the program to stop. */
  readonly interrupted: AbortSignal;
  /** Nobody reads standard output any more. */
  readonly outputClosed: AbortSignal;
  readonly processes: Processes;
  /** Measures how long this process' event loop keeps others waiting. */
  readonly eventLoopDelay: () => DelaySource;
  /** Files and connections that this process may have open; null when the system does not say. */
  readonly openFilesLimit: () => number | null;
  /** Puts metrics on a page; null as host is all interfaces. */
  readonly serveMetrics: (
    metrics: Metrics,
    address: { readonly host: string | null; readonly port: number },
  ) => Promise<MetricsPage>;
  /** Milliseconds since this process began. */
  readonly upMs: () => number;
  /** Environment variables. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** What `~` stands for. */
  readonly homeDirectory: string;
  /** What this machine calls itself, if that name leads back to it; else localhost. */
  readonly hostName: () => Promise<string>;
  /** The folder of the clone or of the installed package. */
  readonly baseDirectory: string;
}

/** What stands before the line being typed; a function is asked whenever the line is drawn anew. */
export type Question = string | (() => string);

/** Offers the possible ends of a half-typed line: the candidates, and the part they replace. */
export type Completer = (line: string) => Promise<readonly [readonly string[], string]>;

/** A tool: its words in, its exit code out. Throws UsageError for a call that makes no sense. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly run: (words: readonly string[], context: CommandContext) => Promise<number>;
  /** Printed with the message of a UsageError, and alone when the tool is called with nothing. */
  readonly usage: () => string;
  /** Called without a word, the tool prints its usage and fails. */
  readonly wantsWords: boolean;
  /** A signal that ended it is its exit code, as with a daemon. */
  readonly reportsSignal: boolean;
  /** Where its log events go. */
  readonly logging: Logging;
}
