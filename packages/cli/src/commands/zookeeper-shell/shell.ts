/**
 * The shell itself: one session at a time, one command or a conversation, the numbered history, and the
 * commands that are about these. What happens at the server is in the *-commands files.
 *
 * Output goes where the originals put it: answers to standard output, `Created …`, usages and mistakes
 * to standard error, events to standard output whenever they come.
 */
import { parseConnectString, RawSession, type WatchedEvent } from '@odradek/client';
import { ZooKeeperError } from '@odradek/protocol';
import { ConfigError, type Millis, millis } from '@odradek/runtime';
import type { CommandContext } from '../../context.ts';
import { splitWords } from '../../words.ts';
import { integerOf, parseWords } from './arguments.ts';
import type { ShellCall } from './call.ts';
import {
  commandNames,
  commands,
  helpText,
  isShellCommand,
  type ShellCommandName,
  usageText,
} from './catalogue.ts';
import { clientProperties } from './client-properties.ts';
import { completerFor } from './completion.ts';
import { COMMAND_NOT_FOUND, failureText, ShellError } from './failures.ts';
import { saslSettings } from './sasl-settings.ts';
import { tlsSettings } from './tls-settings.ts';

/** In what the two programs differ. */
export interface ShellStyle {
  readonly name: string;
  /** The first line of the help. */
  readonly firstHelpLine: string;
  /** Events are shown with their zxid. */
  readonly showsZxid: boolean;
  /** Prompts and commands are shown although nobody sits there. */
  readonly echoes: boolean;
  /** Environment variables in which the original's script takes options for Java. */
  readonly variables: readonly string[];
}

/** A conversation begins when the server is there; or without it, after this long. */
const FIRST_PROMPT_MS = 1_000;
/** Lines that `redo` can go back to. */
const HISTORY_MAX = 10_000;
/** Lines that `history` shows, the current one included. */
const HISTORY_SHOWN = 11;

export class Shell {
  readonly #call: ShellCall;
  readonly #style: ShellStyle;
  readonly #context: CommandContext;
  readonly #history = new Map<number, string>();
  #session: RawSession | null = null;
  #server: string;
  #printsEvents = true;
  #commandCount = 0;
  #exitCode = 0;
  #hasQuit = false;
  #isLeaving = false;

  constructor(call: ShellCall, style: ShellStyle, context: CommandContext) {
    this.#call = call;
    this.#style = style;
    this.#context = context;
    this.#server = call.server;
  }

  /** @returns the exit code */
  async run(): Promise<number> {
    const { interrupted, outputClosed } = this.#context;
    try {
      return await Promise.race([
        this.#work(),
        whenAborted(interrupted),
        whenAborted(outputClosed),
      ]);
    } finally {
      // The end of the program is no news, so its event is not shown.
      this.#isLeaving = true;
      await this.#session?.close();
    }
  }

  async #work(): Promise<number> {
    const { command, complaint, waitsForConnection, sessionTimeoutMs } = this.#call;
    if (complaint !== null) await this.#context.stderr(`${complaint}\n`);
    await this.#context.stdout(`Connecting to ${this.#server}\n`);
    await this.#connect(this.#server);
    if (waitsForConnection && !(await this.#connectedWithin(millis(sessionTimeoutMs)))) {
      await this.#context.stderr('KeeperErrorCode = ConnectionLoss\n');
      return 1;
    }
    return command === null ? await this.#converse() : await this.#execute(command);
  }

  async #converse(): Promise<number> {
    const { stdout, isTerminal } = this.#context;
    const hasEditing = isTerminal || this.#style.echoes;
    await stdout(
      `Welcome to ZooKeeper!\nJLine support is ${hasEditing ? 'enabled' : 'disabled'}\n`,
    );
    await this.#connectedWithin(millis(FIRST_PROMPT_MS));
    while (!this.#hasQuit) {
      const line = await this.#nextLine();
      if (line === null) break;
      const words = splitWords(line);
      if (words.length === 0) continue;
      this.#remember(line);
      this.#exitCode = await this.#execute(words);
      this.#commandCount += 1;
    }
    return this.#exitCode;
  }

  async #nextLine(): Promise<string | null> {
    const { stdout, isTerminal, prompt } = this.#context;
    const question = (): string =>
      `[zk: ${this.#server}(${this.#session?.state ?? 'CLOSED'}) ${this.#commandCount}] `;
    if (isTerminal)
      return await prompt(
        question,
        completerFor(commandNames, () => this.#session),
      );
    const { echoes } = this.#style;
    if (echoes) await stdout(question());
    const line = await prompt('');
    if (echoes && line !== null) await stdout(`${line}\n`);
    return line;
  }

  /** Carries one command out, and says what is wrong with it. @returns its exit code */
  async #execute(words: readonly string[]): Promise<number> {
    try {
      await this.#perform(words);
      return this.#hasQuit ? this.#exitCode : 0;
    } catch (failure) {
      const said = sayable(failure);
      if (said === null) throw failure;
      if (said.message !== '') await this.#context.stderr(`${said.message}\n`);
      return said.exitCode;
    }
  }

  async #perform([name = '', ...args]: readonly string[]): Promise<void> {
    const { stdout, stderr, environment } = this.#context;
    if (name === 'help') {
      await stderr(helpText(this.#style.firstHelpLine));
      return;
    }
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined && !isShellCommand(name)) {
      await stderr(helpText(this.#style.firstHelpLine));
      throw new ShellError(`Command not found: Command not found ${name}`, COMMAND_NOT_FOUND);
    }
    if (isShellCommand(name)) await this.#manage(name, args);
    const session = this.#session;
    if (this.#hasQuit || name === 'close') return;
    if (session === null || !session.isAlive) {
      await stdout('Not connected\n');
      return;
    }
    if (command === undefined) return;
    const parsed = parseWords(args, command);
    if (parsed.words.length < command.wordsMin) throw new ShellError(usageText(name, command));
    await command.run(parsed, { session, stdout, stderr, disk: environment.disk });
  }

  async #manage(name: ShellCommandName, args: readonly string[]): Promise<void> {
    const { stdout } = this.#context;
    const [argument] = args;
    switch (name) {
      case 'close':
        if (this.#session?.isAlive !== true) await stdout('Not connected\n');
        else await this.#session.close();
        break;
      case 'connect':
        await this.#connect(argument ?? this.#server);
        break;
      case 'history':
        for (const [number, line] of this.#latest()) await stdout(`${number} - ${line}\n`);
        break;
      case 'printwatches':
        if (argument === undefined)
          await stdout(`printwatches is ${this.#printsEvents ? 'on' : 'off'}\n`);
        else this.#printsEvents = argument === 'on';
        break;
      case 'quit':
        this.#hasQuit = true;
        await this.#session?.close();
        break;
      case 'redo':
        if (argument !== undefined) await this.#redo(Number(integerOf(argument)));
        break;
    }
  }

  /** The line takes the place of the `redo` in the history. */
  async #redo(number: number): Promise<void> {
    const line = number < this.#commandCount ? this.#history.get(number) : undefined;
    if (line === undefined) throw new ShellError('Command index out of range');
    const words = splitWords(line);
    if (words[0] === 'redo') throw new ShellError('No redoing redos');
    this.#remember(line);
    await this.#perform(words);
  }

  #remember(line: string): void {
    this.#history.set(this.#commandCount, line);
    this.#history.delete(this.#commandCount - HISTORY_MAX);
  }

  #latest(): readonly (readonly [number, string | null])[] {
    const first = Math.max(0, this.#commandCount + 1 - HISTORY_SHOWN);
    const numbers = Array.from(
      { length: this.#commandCount + 1 - first },
      (_, index) => first + index,
    );
    return numbers.map((number) => [number, this.#history.get(number) ?? null]);
  }

  /** Leaves the server it is at, if any, for another. */
  async #connect(server: string): Promise<void> {
    const { environment, variables } = this.#context;
    const { settingsFile, sessionTimeoutMs, canBeReadOnly } = this.#call;
    parseConnectString(server); // A mistake here must not cost the session.
    const names = this.#style.variables;
    const properties = await clientProperties(settingsFile, names, variables, environment.disk);
    const tls = await tlsSettings(properties, environment);
    const sasl = await saslSettings(properties, environment.disk);
    if (this.#session?.isAlive === true) await this.#session.close();
    this.#server = server;
    this.#session = RawSession.open({
      connect: server,
      sessionTimeoutMs,
      canBeReadOnly,
      environment,
      name: this.#style.name,
      ...(tls !== null && { tls }),
      ...(sasl !== null && { sasl }),
    });
    this.#session.onEvent((event) => this.#show(event));
  }

  #show({ state, type, path, zxid }: WatchedEvent): void {
    if (this.#isLeaving) return;
    const ending = this.#style.showsZxid ? ` zxid: ${zxid}` : '';
    const text = `\nWATCHER::\n\nWatchedEvent state:${state} type:${type} path:${path}${ending}\n`;
    // Without the event, a prompt still shows the new state.
    void this.#context.stdout(this.#printsEvents ? text : '');
  }

  #connectedWithin(limit: Millis): Promise<boolean> {
    const { clock, timers } = this.#context.environment;
    const session = this.#session;
    if (session === null || session.state !== 'CONNECTING') return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (isConnected: boolean): void => {
        disarm();
        forget();
        resolve(isConnected);
      };
      const disarm = timers.wakeAt(millis(clock.now() + limit), () => settle(false));
      const forget = session.onEvent(({ state }) => {
        if (state === 'SyncConnected' || state === 'ConnectedReadOnly') settle(true);
        else if (!session.isAlive) settle(false);
      });
    });
  }
}

/** The failures a person can do something about; null for the others, which are bugs. */
function sayable(failure: unknown): { readonly message: string; readonly exitCode: number } | null {
  if (failure instanceof ShellError) return failure;
  if (failure instanceof ZooKeeperError)
    return { message: failureText(failure, null), exitCode: 1 };
  if (failure instanceof ConfigError) return { message: failure.message, exitCode: 1 };
  return null;
}

/** Resolves with an exit code once the program is to end; whoever sent a signal overrules it. */
function whenAborted(signal: AbortSignal): Promise<number> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(0);
    else signal.addEventListener('abort', () => resolve(0), { once: true });
  });
}
