/**
 * Goal: who knows the password gets in, nobody else, and the proof is RFC 2831's. The client here is
 * written from the RFC; the sample is the RFC's own with ZooKeeper's realm (made with Java's client).
 */
import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DigestMd5Exchange, type SaslStep } from '../../src/security/digest-md5.ts';

const NONCE = 'OA6MG9tEQGm2hh';
const users = new Map([
  ['chris', 'secret'],
  ['jörg', 'geheim'],
  ['ольга', 'пароль'],
]);

const md5 = (bytes: Buffer | string): Buffer => createHash('md5').update(bytes).digest();
const latin1OrUtf8 = (text: string): Buffer =>
  /^[\0-\xff]*$/.test(text) ? Buffer.from(text, 'latin1') : Buffer.from(text, 'utf8');

interface Answer {
  readonly user?: string;
  readonly password?: string;
  readonly realm?: string;
  readonly nonce?: string;
  readonly nc?: string;
  readonly uri?: string;
  readonly authzid?: string;
}

/** A client's response to the challenge, and what the server has to prove in return. */
function respond({
  user = 'chris',
  password = 'secret',
  realm = 'zk-sasl-md5',
  nonce = NONCE,
  nc = '00000001',
  uri = 'zookeeper/zk-sasl-md5',
  authzid,
}: Answer = {}): { token: Buffer; rspauth: string } {
  const cnonce = 'OA6MHXh6VqTrRk';
  const secret = md5(
    Buffer.concat([latin1OrUtf8(user), Buffer.from(`:${realm}:`), latin1OrUtf8(password)]),
  );
  const tail = `:${nonce}:${cnonce}${authzid === undefined ? '' : `:${authzid}`}`;
  const a1 = md5(Buffer.concat([secret, Buffer.from(tail)])).toString('hex');
  const proof = (method: string): string =>
    md5(`${a1}:${nonce}:${nc}:${cnonce}:auth:${md5(`${method}:${uri}`).toString('hex')}`).toString(
      'hex',
    );
  const fields = [
    'charset=utf-8',
    `username="${user}"`,
    `realm="${realm}"`,
    `nonce="${nonce}"`,
    `nc=${nc}`,
    `cnonce="${cnonce}"`,
    `digest-uri="${uri}"`,
    'maxbuf=65536',
    `response=${proof('AUTHENTICATE')}`,
    'qop=auth',
    ...(authzid === undefined ? [] : [`authzid="${authzid}"`]),
  ];
  return { token: Buffer.from(fields.join(',')), rspauth: `rspauth=${proof('')}` };
}

function challenged(): DigestMd5Exchange {
  const exchange = new DigestMd5Exchange(users, NONCE);
  const first = exchange.step(Buffer.alloc(0));
  expect(first).toMatchObject({ kind: 'continue' });
  return exchange;
}

const answered = (token: Buffer): SaslStep => challenged().step(token);

test('the challenge', () => {
  const first = new DigestMd5Exchange(users, NONCE).step(Buffer.alloc(0));
  expect(first.kind === 'continue' && String(first.token)).toBe(
    `realm="zk-sasl-md5",nonce="${NONCE}",charset=utf-8,algorithm=md5-sess`,
  );
});

test.each<Answer>([
  {},
  { user: 'jörg', password: 'geheim' },
  { user: 'ольга', password: 'пароль' },
  { authzid: 'chris' },
  { authzid: 'somebody else' },
  { uri: 'zookeeper/ZK-SASL-MD5' },
])('right: %j, as the user who proved it', (answer) => {
  const { token, rspauth } = respond(answer);
  const step = answered(token);
  expect(step).toMatchObject({ kind: 'done', user: answer.user ?? 'chris' });
  expect(step.kind === 'done' && String(step.token)).toBe(rspauth);
});

test.each<{ what: string; token: Buffer; reason: RegExp }>([
  { what: 'a wrong password', token: respond({ password: 'x' }).token, reason: /wrong password/ },
  { what: 'a stranger', token: respond({ user: 'eve' }).token, reason: /no user eve/ },
  {
    what: 'a stranger without password',
    token: respond({ user: 'eve', password: '' }).token,
    reason: /no user/,
  },
  { what: 'an old nonce', token: respond({ nonce: 'old' }).token, reason: /another nonce/ },
  { what: 'a nonce used twice', token: respond({ nc: '00000002' }).token, reason: /nonce count/ },
  { what: 'another realm', token: respond({ realm: 'x' }).token, reason: /another realm/ },
  { what: 'another service', token: respond({ uri: 'imap/zk-sasl-md5' }).token, reason: /service/ },
  { what: 'nothing', token: Buffer.alloc(0), reason: /no user name/ },
  { what: 'rubbish', token: Buffer.from('"""'), reason: /malformed/ },
  {
    what: 'a name twice',
    token: Buffer.from('username="a",username="chris"'),
    reason: /malformed/,
  },
  { what: 'too much', token: Buffer.alloc(5_000, 'a'), reason: /malformed/ },
])('refused: $what', ({ token, reason }) => {
  expect(answered(token)).toEqual({ kind: 'failed', reason: expect.stringMatching(reason) });
});

test('the order of steps: whatever comes first is challenged, nothing counts after the end', () => {
  const { token } = respond();
  expect(new DigestMd5Exchange(users, NONCE).step(token)).toMatchObject({ kind: 'continue' });
  for (const first of [token, respond({ password: 'x' }).token]) {
    const exchange = challenged();
    exchange.step(first);
    expect(exchange.step(token)).toEqual({
      kind: 'failed',
      reason: 'the exchange is over already',
    });
  }
});

test('no bytes get in by luck', () => {
  const { token } = respond();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(answered(Buffer.from(bytes)).kind).toBe('failed');
    }),
  );
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Buffer.from(token);
      changed[at] = (changed[at] ?? 0) ^ flip;
      const step = answered(changed);
      // Names of directives and white space do not count; what is proved is the same then.
      if (step.kind !== 'failed') expect(step).toMatchObject({ kind: 'done', user: 'chris' });
    }),
  );
});
