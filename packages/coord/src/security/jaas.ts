/**
 * JAAS login files, as far as ZooKeeper's servers use them: sections of login modules with options.
 *
 *   Server {
 *     org.apache.zookeeper.server.auth.DigestLoginModule required
 *     user_alice="secret";
 *   };
 *
 * @see javax.security.auth.login.Configuration
 */
import { OdradekError } from '@odradek/runtime';

export interface LoginModule {
  readonly className: string;
  readonly options: ReadonlyMap<string, string>;
}

/** A file that cannot be read as such; the message reads on from its name and has the line. */
export class MalformedJaas extends OdradekError {
  override readonly name = 'MalformedJaas';
  readonly code = 'MALFORMED_JAAS';
  readonly retriable = false;
}

interface Token {
  readonly text: string;
  readonly isQuoted: boolean;
  readonly line: number;
}

const TOKEN =
  /(\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)|"((?:[^"\\\n]|\\[^\n])*)"|'((?:[^'\\\n]|\\[^\n])*)'|([{};=])|([^\s{};="']+)/gy;
const FLAGS = ['required', 'requisite', 'sufficient', 'optional'];

/**
 * The sections of a file by name.
 * @throws MalformedJaas
 */
export function parseJaas(text: string): ReadonlyMap<string, readonly LoginModule[]> {
  const tokens = new Tokens(text);
  const sections = new Map<string, readonly LoginModule[]>();
  while (!tokens.isAtEnd) {
    const name = tokens.word('the name of a section');
    tokens.symbol('{');
    const modules: LoginModule[] = [];
    while (!tokens.takes('}')) modules.push(loginModule(tokens));
    tokens.symbol(';');
    sections.set(name, modules);
  }
  return sections;
}

function loginModule(tokens: Tokens): LoginModule {
  const className = tokens.word('the class of a login module');
  const flag = tokens.word(FLAGS.join(', '));
  if (!FLAGS.includes(flag.toLowerCase())) throw tokens.problem(flag, FLAGS.join(', '));
  const options = new Map<string, string>();
  while (!tokens.takes(';')) {
    const name = tokens.word('an option or ";"');
    tokens.symbol('=');
    options.set(name, tokens.value());
  }
  return { className, options };
}

class Tokens {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  get isAtEnd(): boolean {
    return this.#next >= this.#tokens.length;
  }

  /** A bare or quoted word. */
  word(expected: string): string {
    const token = this.#take(expected);
    if (!token.isQuoted && /^[{};=]$/.test(token.text)) throw this.problem(token.text, expected);
    return token.text;
  }

  value(): string {
    return this.word('a value');
  }

  symbol(symbol: string): void {
    const token = this.#take(`"${symbol}"`);
    if (token.isQuoted || token.text !== symbol) throw this.problem(token.text, `"${symbol}"`);
  }

  /** Takes the symbol if it comes next. */
  takes(symbol: string): boolean {
    const token = this.#tokens[this.#next];
    if (token === undefined || token.isQuoted || token.text !== symbol) return false;
    this.#next += 1;
    return true;
  }

  /** The token taken last is not what it should be. */
  problem(found: string, expected: string): MalformedJaas {
    const line = this.#tokens[this.#next - 1]?.line ?? 1;
    return new MalformedJaas(`line ${line}: "${found}" where ${expected} should be`);
  }

  #take(expected: string): Token {
    const token = this.#tokens[this.#next];
    if (token === undefined) throw new MalformedJaas(`it ends where ${expected} should be`);
    this.#next += 1;
    return token;
  }
}

function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let line = 1;
  TOKEN.lastIndex = 0;
  let at = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    at = TOKEN.lastIndex;
    const [whole, blank, double, single, symbol, bare] = match;
    const quoted = double ?? single;
    if (quoted !== undefined) {
      tokens.push({ text: quoted.replaceAll(/\\(.)/g, '$1'), isQuoted: true, line });
    } else if (blank === undefined) {
      tokens.push({ text: symbol ?? bare ?? '', isQuoted: false, line });
    }
    line += whole.split('\n').length - 1;
  }
  if (at < text.length) throw new MalformedJaas(`line ${line}: a quotation mark without its twin`);
  return tokens;
}
