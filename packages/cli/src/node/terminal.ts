/** Standard input and output of this process as the commands see them: lines in, text out, a prompt with history. */
import {
  clearScreenDown,
  createInterface,
  cursorTo,
  type Interface,
  moveCursor,
} from 'node:readline';
import type { Completer, LineSource, Print, Question } from '../context.ts';

/** Longest line that is read, in bytes; a longer one ends the program with an error. */
const LINE_MAX_BYTES = 64 * 1024 * 1024;
/** Lines read ahead of whoever asks for them. */
const EARLY_LINES_MAX = 1_000;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Splits standard input at line ends without decoding it: keys and values may be any bytes. */
export async function* linesOf(input: AsyncIterable<Buffer>): LineSource {
  let head: Buffer[] = [];
  let headBytes = 0;
  for await (const chunk of input) {
    let from = 0;
    for (;;) {
      const at = chunk.indexOf(NEWLINE, from);
      if (at < 0) break;
      const piece = chunk.subarray(from, at);
      from = at + 1;
      if (headBytes === 0) {
        yield withoutReturn(piece);
        continue;
      }
      yield withoutReturn(Buffer.concat([...head, piece]));
      head = [];
      headBytes = 0;
    }
    if (from < chunk.length) {
      head.push(chunk.subarray(from));
      headBytes += chunk.length - from;
      if (headBytes > LINE_MAX_BYTES) {
        throw new Error(`a line of standard input is longer than ${LINE_MAX_BYTES} bytes`);
      }
    }
  }
  if (headBytes > 0) yield withoutReturn(Buffer.concat(head));
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === RETURN ? line.subarray(0, -1) : line;
}

/** Writes with back-pressure; a reader that went away is told through `closed`, once, and later writes do nothing. */
export function printerTo(stream: NodeJS.WriteStream, closed: AbortController): Print {
  stream.on('error', () => closed.abort());
  return async (text) => {
    if (closed.signal.aborted || stream.write(text)) return;
    await new Promise<void>((resume) => {
      const go = (): void => {
        stream.off('drain', go);
        closed.signal.removeEventListener('abort', go);
        resume();
      };
      stream.once('drain', go);
      closed.signal.addEventListener('abort', go);
    });
  };
}

/** Asks for lines: with editing, history and completion on a terminal, plainly otherwise. */
export class Prompter {
  readonly #isTerminal: boolean;
  readonly #waiting: ((line: string | null) => void)[] = [];
  readonly #early: string[] = [];
  #interface: Interface | null = null;
  #ended = false;
  #isClosing = false;
  #completer: Completer | null = null;
  #question: Question = '';

  constructor(isTerminal: boolean) {
    this.#isTerminal = isTerminal;
  }

  ask(question: Question, completer?: Completer): Promise<string | null> {
    this.#completer = completer ?? null;
    this.#question = question;
    const lines = this.#open();
    if (this.#isTerminal) {
      lines.setPrompt(textOf(question));
      lines.prompt();
    }
    const early = this.#early.shift();
    if (this.#early.length < EARLY_LINES_MAX) lines.resume();
    if (early !== undefined) return Promise.resolve(early);
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Writes as `print` does; what is written while somebody types appears above the line being typed,
   * which is shown again below, with its question as it is by then.
   */
  printAbove(print: Print): Print {
    return (text) => {
      const lines = this.#interface;
      if (!this.#isTerminal || lines === null || this.#waiting.length === 0) return print(text);
      moveCursor(process.stdout, 0, -lines.getCursorPos().rows);
      cursorTo(process.stdout, 0);
      clearScreenDown(process.stdout);
      const printed = print(text);
      lines.setPrompt(textOf(this.#question));
      lines.prompt(true);
      return printed;
    };
  }

  close(): void {
    this.#isClosing = true;
    this.#interface?.close();
  }

  #open(): Interface {
    if (this.#interface !== null) return this.#interface;
    const lines = createInterface({
      input: process.stdin,
      ...(this.#isTerminal && {
        output: process.stdout,
        historySize: 500,
        completer: (line: string, answer: (error: null, found: [string[], string]) => void) => {
          const completer = this.#completer;
          if (completer === null) return answer(null, [[], line]);
          completer(line).then(
            ([candidates, part]) => answer(null, [[...candidates], part]),
            () => answer(null, [[], line]),
          );
        },
      }),
    });
    lines.on('line', (line) => {
      const next = this.#waiting.shift();
      if (next !== undefined) next(line);
      else if (this.#early.push(line) >= EARLY_LINES_MAX) lines.pause();
    });
    lines.on('SIGINT', () => {
      process.stdout.write('\n');
      process.kill(process.pid, 'SIGINT');
    });
    lines.on('close', () => {
      // The end of the input, by a key: what comes next stands on a line of its own.
      if (this.#isTerminal && this.#waiting.length > 0 && !this.#isClosing)
        process.stdout.write('\n');
      this.#ended = true;
      for (const resolve of this.#waiting.splice(0)) resolve(null);
    });
    this.#interface = lines;
    return lines;
  }
}

function textOf(question: Question): string {
  return typeof question === 'string' ? question : question();
}
