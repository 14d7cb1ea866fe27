/** A client's side of SASL DIGEST-MD5 (RFC 2831), as far as a comparison needs it. */
import { createHash } from 'node:crypto';

const REALM = 'zk-sasl-md5';
const URI = `zookeeper/${REALM}`;
/** Ours is always the same: it is the server's nonce that must be new. */
const CNONCE = 'b2RyYWRlaw==';
const USES = '00000001';

export interface SaslResponse {
  readonly token: Buffer;
  /** What a server that knows the password says in the end. */
  readonly proof: string;
}

const md5 = (...parts: readonly (string | Buffer)[]): Buffer => {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Characters up to U+00FF count as one byte each. */
const secretOf = (user: string, password: string): Buffer =>
  md5(Buffer.from(`${user}:${REALM}:${password}`, 'latin1'));

/** @param challenge the server's first token */
export function respond(challenge: string, user: string, password: string): SaslResponse {
  const nonce = /nonce="([^"]*)"/.exec(challenge)?.[1] ?? '';
  const session = md5(secretOf(user, password), `:${nonce}:${CNONCE}`).toString('hex');
  const answerTo = (method: string): string =>
    md5(
      `${session}:${nonce}:${USES}:${CNONCE}:auth:${md5(`${method}:${URI}`).toString('hex')}`,
    ).toString('hex');
  const token = [
    'charset=utf-8',
    `username="${user}"`,
    `realm="${REALM}"`,
    `nonce="${nonce}"`,
    `nc=${USES}`,
    `cnonce="${CNONCE}"`,
    `digest-uri="${URI}"`,
    'maxbuf=65536',
    `response=${answerTo('AUTHENTICATE')}`,
    'qop=auth',
  ].join(',');
  return { token: Buffer.from(token), proof: `rspauth=${answerTo('')}` };
}
