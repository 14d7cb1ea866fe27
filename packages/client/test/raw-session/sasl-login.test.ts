/**
 * Goal: the client proves who it is, and believes nobody who does not know the password. The samples are RFC 2831's
 * way of computing, by hand; that servers accept it is held by the shell's tests and by test/interop.
 */
import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { Reader, saslDirectives } from '@odradek/protocol';
import { SaslLogin } from '../../src/raw-session/sasl-login.ts';

const NONCE = 'OA6MG9tEQGm2hh';
const CNONCE = 'OA6MHXh6VqTrRk';
const CHALLENGE = `realm="zk-sasl-md5",nonce="${NONCE}",charset=utf-8,algorithm=md5-sess`;

/** xid 0, zxid 0, `err`, and the token. */
function reply(token: string | null, err = 0): Reader {
  const bytes = token === null ? Buffer.alloc(0) : Buffer.from(token);
  const header = Buffer.alloc(20);
  header.writeInt32BE(err, 12);
  header.writeInt32BE(token === null ? -1 : bytes.length, 16);
  return new Reader(err === 0 ? Buffer.concat([header, bytes]) : header.subarray(0, 16));
}

const md5 = (...parts: (string | Buffer)[]): Buffer =>
  createHash('md5')
    .update(Buffer.concat(parts.map((part) => Buffer.from(part))))
    .digest();

function proof(user: Buffer, password: Buffer, method: string): string {
  const secret = md5(Buffer.concat([user, Buffer.from(':zk-sasl-md5:'), password]));
  const session = md5(secret, `:${NONCE}:${CNONCE}`).toString('hex');
  const uri = md5(`${method}:zookeeper/zk-sasl-md5`).toString('hex');
  return md5(`${session}:${NONCE}:00000001:${CNONCE}:auth:${uri}`).toString('hex');
}

function answered(user: string, password: string): { login: SaslLogin; said: string } {
  const login = new SaslLogin({ user, password }, CNONCE);
  expect(login.opening).toHaveLength(0);
  const step = login.heard(reply(CHALLENGE));
  if (step.kind !== 'say') throw new Error(step.kind);
  return { login, said: step.token.toString() };
}

test.each([
  ['chris', 'secret', 'latin1'],
  ['jörg "der"', 'ge\\heim', 'latin1'],
  ['ольга', 'пароль', 'utf8'],
] as const)('%s answers a challenge, and wants the proof back', (user, password, encoding) => {
  const [who, key] = [Buffer.from(user, encoding), Buffer.from(password, encoding)];
  const { login, said } = answered(user, password);
  expect(saslDirectives(Buffer.from(said))?.get('username')).toBe(user);
  expect(said).toContain(`,response=${proof(who, key, 'AUTHENTICATE')}`);
  expect(login.heard(reply(`rspauth=${proof(who, key, '')}`))).toEqual({ kind: 'done' });
});

test.each([
  ['a refusal', reply(null, -115)],
  ['no SASL', reply(null)],
  ['no nonce', reply('realm="zk-sasl-md5"')],
  ['encryption alone', reply(`${CHALLENGE},qop="auth-int,auth-conf"`)],
  ['rubbish', reply('realm="')],
])('%s is the end of it', (_what, said) => {
  const login = new SaslLogin({ user: 'chris', password: 'secret' }, CNONCE);
  expect(login.heard(said).kind).toBe('failed');
});

test('a server that does not know the password is none', () => {
  const { login } = answered('chris', 'secret');
  const wrong = proof(Buffer.from('chris'), Buffer.from('guessed'), '');
  expect(login.heard(reply(`rspauth=${wrong}`)).kind).toBe('failed');
});
