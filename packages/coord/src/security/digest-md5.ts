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
import { timingSafeEqual } from 'node:crypto';
import {
  digestMd5Proof,
  SASL_DIGEST_URI,
  SASL_REALM,
  saslDirectives,
} from '@odradek/protocol/zookeeper';

/** The one use of a nonce that is accepted. */
const FIRST_USE = '00000001';

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
    const fields = saslDirectives(token);
    const reason = fields === null ? 'a malformed response' : this.#objection(fields);
    if (fields === null || reason !== null) {
      return { kind: 'failed', reason: reason ?? 'a malformed response' };
    }
    const user = fields.get('username') ?? '';
    const password = this.#users.get(user);
    // Somebody unknown costs as much as somebody known, and hears the same.
    const expected = digestMd5Proof(fields, password ?? '', 'AUTHENTICATE');
    const given = Buffer.from(fields.get('response') ?? '', 'latin1');
    const isRight =
      given.length === expected.length && timingSafeEqual(given, Buffer.from(expected, 'latin1'));
    if (password === undefined) return { kind: 'failed', reason: `there is no user ${user}` };
    if (!isRight) return { kind: 'failed', reason: `wrong password of user ${user}` };
    const proof = digestMd5Proof(fields, password, '');
    return { kind: 'done', token: Buffer.from(`rspauth=${proof}`), user };
  }

  /** What is wrong before it comes to the password. */
  #objection(fields: ReadonlyMap<string, string>): string | null {
    if ((fields.get('username') ?? '') === '') return 'no user name';
    if (fields.get('nonce') !== this.#nonce) return 'another nonce';
    if (fields.get('nc') !== FIRST_USE) return 'a nonce count other than 1';
    if ((fields.get('cnonce') ?? '') === '') return 'no cnonce';
    if (fields.get('realm') !== SASL_REALM) return 'another realm';
    if (fields.get('digest-uri')?.toLowerCase() !== SASL_DIGEST_URI) return 'another service';
    if ((fields.get('qop') ?? 'auth') !== 'auth') return 'a protection that was not offered';
    if (!/^[0-9a-f]{32}$/.test(fields.get('response') ?? '')) return 'no response';
    return null;
  }
}
