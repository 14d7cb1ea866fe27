/**
 * SASL DIGEST-MD5 as ZooKeeper uses it (realm and host `zk-sasl-md5`, protocol `zookeeper`, authentication only):
 * what both sides read and compute. Who says what when is the coordination server's and the client's own.
 * @see RFC 2831
 */
import { createHash } from 'node:crypto';

export const SASL_REALM = 'zk-sasl-md5';
export const SASL_DIGEST_URI = `zookeeper/${SASL_REALM}`;
const TOKEN_BYTES_MAX = 4_096;

/** A token's `name=value` between commas, values bare or quoted; null when malformed or given twice. */
export function saslDirectives(token: Buffer): ReadonlyMap<string, string> | null {
  if (token.length > TOKEN_BYTES_MAX) return null;
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

/**
 * Proves that one knows the password, without telling it: the client's proof with `AUTHENTICATE`, the server's with
 * nothing (RFC 2831, 2.1.2.1).
 * @param fields of the client's response: username, realm, nonce, cnonce, nc, digest-uri, and authzid if there is one
 * @returns 32 hexadecimal digits
 */
export function digestMd5Proof(
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
