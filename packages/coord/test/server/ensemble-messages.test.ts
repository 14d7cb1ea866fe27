/**
 * Goal: what servers tell each other arrives as it was said, in order, however much of it one message
 * carries; and a message that is cut short is refused, not guessed at.
 */
import { expect, test } from '@jest/globals';
import { MalformedMessage, opCodes, type Reader } from '@odradek/protocol/zookeeper';
import fc from 'fast-check';
import {
  LeaderMessages,
  type LearnerItems,
  LearnerMessageReader,
  LearnerMessages,
  readLeaderMessage,
} from '../../src/server/ensemble-messages.ts';

type Item = readonly [kind: keyof LearnerItems, ...fields: unknown[]];

/** Notes down what is heard. */
class Heard implements LearnerItems {
  readonly items: Item[] = [];
  request(
    ...[id, session, isLocal, identities, opCode, body]: Parameters<LearnerItems['request']>
  ) {
    this.items.push(['request', id, session, isLocal, identities, opCode, bytesOf(body)]);
  }
  createSession(...fields: Parameters<LearnerItems['createSession']>) {
    this.items.push(['createSession', ...fields]);
  }
  refused(...fields: Parameters<LearnerItems['refused']>) {
    this.items.push(['refused', ...fields]);
  }
  heard(...fields: Parameters<LearnerItems['heard']>) {
    this.items.push(['heard', ...fields]);
  }
  renew(...fields: Parameters<LearnerItems['renew']>) {
    this.items.push(['renew', ...fields]);
  }
}

const bytesOf = ({ buffer, position, end }: Reader): Buffer =>
  Buffer.from(buffer.subarray(position, end));

const id = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const requestId = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const body = fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes));
const identities = fc.array(
  fc.record({ scheme: fc.string({ unit: 'binary' }), id: fc.string({ unit: 'binary' }) }),
  { maxLength: 3 },
);
const anyItem: fc.Arbitrary<Item> = fc.oneof(
  fc
    .tuple(
      requestId,
      id,
      fc.boolean(),
      identities,
      fc.constantFrom(...Object.values(opCodes)),
      body,
    )
    .map((fields): Item => ['request', ...fields]),
  fc.tuple(requestId, id, fc.nat(), body).map((fields): Item => ['createSession', ...fields]),
  fc
    .tuple(requestId, id, fc.boolean(), fc.integer({ min: -130, max: 0 }))
    .map((fields): Item => ['refused', ...fields]),
  fc.array(id, { maxLength: 50 }).map((ids): Item => ['heard', ids]),
  fc.tuple(fc.nat(), id, fc.nat()).map((fields): Item => ['renew', ...fields]),
);

function say(messages: LearnerMessages, [kind, ...fields]: Item): void {
  const say = messages as unknown as Record<string, (...fields: unknown[]) => void>;
  if (kind === 'request') {
    const [request, session, isLocal, who, opCode, content] = fields;
    // In the middle of a chunk, as it is received.
    const buffer = Buffer.concat([Buffer.from('before'), content as Buffer, Buffer.from('behind')]);
    const place = { buffer, position: 6, end: buffer.length - 6 };
    say.request?.(request, session, isLocal, who, { opCode, ...place });
  } else say[kind]?.(...fields);
}

test('whatever learners say is heard so, one message for each turn', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyItem, { minLength: 1, maxLength: 20 }), async (items) => {
      const told: Uint8Array[] = [];
      const messages = new LearnerMessages((bytes) => told.push(Uint8Array.from(bytes)));
      for (const item of items) say(messages, item);
      expect(told).toEqual([]);
      await Promise.resolve();
      expect(told).toHaveLength(1);
      const heard = new Heard();
      const reader = new LearnerMessageReader();
      for (const bytes of told) reader.read(bytes, heard);
      expect(heard.items).toEqual(items);
    }),
    { numRuns: 200 },
  );
});

test('a message that is cut short is refused wherever it ends, after what was whole', async () => {
  let whole: Uint8Array = new Uint8Array();
  const messages = new LearnerMessages((bytes) => {
    whole = Uint8Array.from(bytes);
  });
  const items: readonly Item[] = [
    ['renew', 1, 2n, 3],
    ['request', 7, 8n, false, [{ scheme: 'ip', id: '::1' }], opCodes.setData, Buffer.from('abc')],
    ['heard', [1n, 2n]],
  ];
  for (const item of items) say(messages, item);
  await Promise.resolve();
  const ends = new Set<number>();
  for (let size = 1; size < whole.length; size += 1) {
    const heard = new Heard();
    try {
      new LearnerMessageReader().read(whole.subarray(0, size), heard);
      ends.add(size);
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedMessage);
    }
    expect(heard.items).toEqual(items.slice(0, heard.items.length));
  }
  expect(ends.size).toBe(items.length - 1);
});

test('much in one turn goes in several messages, in order', async () => {
  const told: Uint8Array[] = [];
  const messages = new LearnerMessages((bytes) => told.push(Uint8Array.from(bytes)));
  const content = Buffer.alloc(100_000, 'x');
  const items = Array.from(
    { length: 10 },
    (_, index): Item => ['request', index, 1n, false, [], opCodes.setData, content],
  );
  for (const item of items) say(messages, item);
  await Promise.resolve();
  const heard = new Heard();
  for (const bytes of told) new LearnerMessageReader().read(bytes, heard);
  expect(heard.items.map(([, requestId]) => requestId)).toEqual(items.map(([, index]) => index));
  expect([told.length, Math.max(...told.map(({ length }) => length)) < 400_000]).toEqual([4, true]);
});

test('what a leader answers is heard so', async () => {
  const told: Uint8Array[] = [];
  const messages = new LeaderMessages((bytes) => told.push(Uint8Array.from(bytes)));
  messages.renewed(1, true);
  messages.renewed(2 ** 31 - 1, false);
  await Promise.resolve();
  const heard: unknown[] = [];
  for (const bytes of told) readLeaderMessage(bytes, { renewed: (...one) => heard.push(one) });
  expect([told.length, heard]).toEqual([
    1,
    [
      [1, true],
      [2 ** 31 - 1, false],
    ],
  ]);
  expect(() => readLeaderMessage(Uint8Array.of(99), { renewed: () => {} })).toThrow(
    MalformedMessage,
  );
});
