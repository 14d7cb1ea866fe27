/**
 * The server's side of SASL DIGEST-MD5, as ZooKeeper uses it: realm and host `zk-sasl-md5`, protocol
 * `zookeeper`, authentication only.
 *
 *   client  anything                     asks to be asked
 *   server  realm, nonce                 the challenge
 *   client  user, cnonce, response       proves that it knows the password
 *   server  rspauth                      proves that it knows it too
 *
 * Pure: the nonce is handed in. Whoever is proved is who authenticated, whatever name it wished to act
 * for: that is what the original makes of it.
 * @see RFC 2831; javax.security.sasl, whose server accepts the same
 */
import { createHash, timingSafeEqual } from 'node:crypto';

export const SASL_REALM = 'zk-sasl-md5';
const DIGEST_URI = `zookeeper/${SASL_REALM}`;
/** The one use of a nonce that is accepted. */
const FIRST_USE = '00000001';
const RESPONSE_BYTES_MAX = 4_096;

export type SaslStep =
  | { readonly kind: 'continue'; readonly token: Buffer }
  | { readonly kind: 'done'; readonly token: Buffer; readonly user: string }
  /** `reason` is for the log; the client is not told. */
  | { readonly kind: 'failed'; readonly reason: string };

export class DigestMd5Exchange {
  readonly #users: ReadonlyMap<string, string>;
  readonly #nonce: string;
  #state: 'new' | 'challenged' | 'over' = 'new';

  /**
   * @param users passwords by name
   * @param nonce of visible characters, never used before
   */
  constructor(users: ReadonlyMap<string, string>, nonce: string) {
    this.#users = users;
    this.#nonce = nonce;
  }

  step(token: Buffer): SaslStep {
    if (this.#state === 'new') {
      this.#state = 'challenged';
      return { kind: 'continue', token: this.#challenge() };
    }
    const isExpected = this.#state === 'challenged';
    this.#state = 'over';
    return isExpected
      ? this.#judge(token)
      : { kind: 'failed', reason: 'the exchange is over already' };
  }

  #challenge(): Buffer {
    return Buffer.from(
      `realm="${SASL_REALM}",nonce="${this.#nonce}",charset=utf-8,algorithm=md5-sess`,
    );
  }

  #judge(token: Buffer): SaslStep {
    const fields = parseDirectives(token);
    const reason = fields === null ? 'a malformed response' : this.#objection(fields);
    if (fields === null || reason !== null) {
      return { kind: 'failed', reason: reason ?? 'a malformed response' };
    }
    const user = fields.get('username') ?? '';
    const password = this.#users.get(user);
    // Somebody unknown costs as much as somebody known, and hears the same.
    const expected = responseOf(fields, password ?? '', 'AUTHENTICATE');
    const given = Buffer.from(fields.get('response') ?? '', 'latin1');
    const isRight =
      given.length === expected.length && timingSafeEqual(given, Buffer.from(expected, 'latin1'));
    if (password === undefined) return { kind: 'failed', reason: `there is no user ${user}` };
    if (!isRight) return { kind: 'failed', reason: `wrong password of user ${user}` };
    const proof = responseOf(fields, password, '');
    return { kind: 'done', token: Buffer.from(`rspauth=${proof}`), user };
  }

  /** What is wrong before it comes to the password. */
  #objection(fields: ReadonlyMap<string, string>): string | null {
    if ((fields.get('username') ?? '') === '') return 'no user name';
    if (fields.get('nonce') !== this.#nonce) return 'another nonce';
    if (fields.get('nc') !== FIRST_USE) return 'a nonce count other than 1';
    if ((fields.get('cnonce') ?? '') === '') return 'no cnonce';
    if (fields.get('realm') !== SASL_REALM) return 'another realm';
    if (fields.get('digest-uri')?.toLowerCase() !== DIGEST_URI) return 'another service';
    if ((fields.get('qop') ?? 'auth') !== 'auth') return 'a protection that was not offered';
    if (!/^[0-9a-f]{32}$/.test(fields.get('response') ?? '')) return 'no response';
    return null;
  }
}

/** `name=value` between commas, values bare or quoted; null when malformed or given twice. */
function parseDirectives(token: Buffer): ReadonlyMap<string, string> | null {
  if (token.length > RESPONSE_BYTES_MAX) return null;
  const text = token.toString('latin1');
  const fields = new Map<string, string>();
  const pattern =
    /[\s,]*([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\[\s\S])*)"|([^\s",=]*[^",]*?))\s*(?=,|$)/gy;
  let at = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    at = pattern.lastIndex;
    const [, name = '', quoted, bare = ''] = match;
    const key = name.toLowerCase();
    if (fields.has(key)) return null;
    fields.set(key, quoted === undefined ? bare : quoted.replaceAll(/\\([\s\S])/g, '$1'));
  }
  if (!/^[\s,\0]*$/.test(text.slice(at))) return null;
  return fields.get('charset')?.toLowerCase() === 'utf-8' ? inUtf8(fields) : fields;
}

/** The fields were read byte by byte; with that charset the bytes are UTF-8. */
const inUtf8 = (fields: ReadonlyMap<string, string>): ReadonlyMap<string, string> =>
  new Map([...fields].map(([key, value]) => [key, Buffer.from(value, 'latin1').toString('utf8')]));

const md5 = (...parts: readonly (string | Buffer)[]): Buffer => {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Names and passwords count in ISO 8859-1 if they fit in there, else in UTF-8: RFC 2831, 2.1.2.1. */
function bytesOf(text: string): Buffer {
  for (let at = 0; at < text.length; at += 1) {
    if (text.charCodeAt(at) > 0xff) return Buffer.from(text, 'utf8');
  }
  return Buffer.from(text, 'latin1');
}

/** RFC 2831, 2.1.2.1: the client's proof with `AUTHENTICATE`, the server's with nothing. */
function responseOf(
  fields: ReadonlyMap<string, string>,
  password: string,
  method: 'AUTHENTICATE' | '',
): string {
  const field = (name: string): string => fields.get(name) ?? '';
  const secret = md5(
    bytesOf(field('username')),
    ':',
    bytesOf(field('realm')),
    ':',
    bytesOf(password),
  );
  const authzid = fields.get('authzid');
  const session = md5(
    secret,
    `:${field('nonce')}:${field('cnonce')}`,
    authzid === undefined ? '' : `:${authzid}`,
  ).toString('hex');
  const uri = md5(`${method}:${field('digest-uri')}`).toString('hex');
  const uses = `${field('nonce')}:${field('nc')}:${field('cnonce')}`;
  return md5(`${session}:${uses}:auth:${uri}`).toString('hex');
}
