/** Lines on their way to standard output, gathered so that a log of millions of records is not as many writes. */
import type { Print } from '../../context.ts';

/** Characters that are gathered before they are written. */
const PAGE_CHARACTERS = 65_536;

export class Page {
  readonly #print: Print;
  #text = '';

  constructor(print: Print) {
    this.#print = print;
  }

  /** Adds a line. True: it is time to `flush`. */
  line(text: string): boolean {
    this.#text += `${text}\n`;
    return this.#text.length >= PAGE_CHARACTERS;
  }

  /** Adds the beginning of a line. */
  text(text: string): void {
    this.#text += text;
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    if (text !== '') await this.#print(text);
  }
}
