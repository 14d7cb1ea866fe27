/**
 * A client's side of SASL DIGEST-MD5: it asks to be asked, proves that it knows the password, and wants the same proof
 * of the server. Pure: what must be new each time is handed in. Not here: sending (raw-session-host.ts).
 * @see RFC 2831
 */
import {
  digestMd5Proof,
  type Reader,
  replyHeader,
  SASL_DIGEST_URI,
  SASL_REALM,
  saslDirectives,
  saslResponse,
} from '@odradek/protocol';

export interface SaslUser {
  readonly user: string;
  readonly password: string;
}

export type SaslLoginStep = Readonly<
  | { kind: 'say'; token: Buffer }
  | { kind: 'done' }
  /** The server does not know us, or we do not know it. */
  | { kind: 'failed'; reason: string }
>;

export class SaslLogin {
  readonly #user: SaslUser;
  readonly #cnonce: string;
  #fields: ReadonlyMap<string, string> | null = null;

  /** @param cnonce visible characters, never used before */
  constructor(user: SaslUser, cnonce: string) {
    this.#user = user;
    this.#cnonce = cnonce;
  }

  /** What is said first. */
  get opening(): Buffer {
    return Buffer.alloc(0);
  }

  /** @param reply the server's, whole */
  heard(reply: Reader): SaslLoginStep {
    const { err } = replyHeader.decodeFrom(reply);
    if (err !== 0) return failed(`the server refuses ${this.#user.user}`);
    // A server without SASL says nothing, and says so.
    const { token } = saslResponse.decodeFrom(reply);
    const directives = token === null ? null : saslDirectives(token);
    if (directives === null) return failed('the server offers no DIGEST-MD5');
    return this.#fields === null
      ? this.#respond(directives)
      : this.#judge(this.#fields, directives.get('rspauth'));
  }

  #respond(challenge: ReadonlyMap<string, string>): SaslLoginStep {
    const nonce = challenge.get('nonce') ?? '';
    if (nonce === '') return failed('a challenge without a nonce');
    if ((challenge.get('qop') ?? 'auth').split(',').every((offer) => offer.trim() !== 'auth')) {
      return failed('a challenge that wants more than authentication');
    }
    const { user, password } = this.#user;
    const fields = new Map([
      ['username', user],
      ['realm', challenge.get('realm') ?? SASL_REALM],
      ['nonce', nonce],
      ['cnonce', this.#cnonce],
      ['nc', '00000001'],
      ['digest-uri', SASL_DIGEST_URI],
    ]);
    this.#fields = fields;
    const said = [...fields].map(([name, value]) =>
      name === 'nc' ? `${name}=${value}` : `${name}=${quoted(value)}`,
    );
    const proof = digestMd5Proof(fields, password, 'AUTHENTICATE');
    const token = ['charset=utf-8', ...said, 'qop=auth', `response=${proof}`].join(',');
    return { kind: 'say', token: Buffer.from(token, 'utf8') };
  }

  #judge(fields: ReadonlyMap<string, string>, proof: string | undefined): SaslLoginStep {
    const isRight = proof === digestMd5Proof(fields, this.#user.password, '');
    return isRight ? { kind: 'done' } : failed('the server does not know the password itself');
  }
}

const failed = (reason: string): SaslLoginStep => ({ kind: 'failed', reason });

const quoted = (value: string): string => `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
