/** InitProducerId in every version, and the blocks that ids come from. */
import { describe, expect, test } from '@jest/globals';
import { apis, errorCodes, KafkaError } from '@odradek/protocol';
import { initProducerIdHandler } from '../../src/api/init-producer-id.ts';
import { ProducerIds } from '../../src/group/producer-ids-host.ts';
import { ask, versions } from './ask.ts';

/** Blocks of two ids each, from 10 on, as often as there are. */
function blocks(count: number): { ids: ProducerIds; asked: () => number } {
  let asked = 0;
  const ids = new ProducerIds(() => {
    const index = asked++;
    if (index >= count) return Promise.reject(new KafkaError('REQUEST_TIMED_OUT', 'no controller'));
    return Promise.resolve({ first: 10n + 2n * BigInt(index), count: 2 });
  });
  return { ids, asked: () => asked };
}

const request = { transactionalId: null, transactionTimeoutMs: 1000 };

describe('InitProducerId', () => {
  test.each(versions(0, 5))('v%i: a new id with epoch 0, each time', async (version) => {
    const handler = initProducerIdHandler(blocks(2).ids);
    const answers = [];
    for (let n = 0; n < 3; n++)
      answers.push(await ask(handler, apis.initProducerId, version, request));
    expect(answers.map(({ errorCode, producerEpoch }) => [errorCode, producerEpoch])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    expect(answers.map(({ producerId }) => producerId)).toEqual([10n, 11n, 12n]);
  });

  test('without a block the client is to ask again, and then gets one', async () => {
    let ready = false;
    const ids = new ProducerIds(() =>
      ready
        ? Promise.resolve({ first: 5n, count: 1 })
        : Promise.reject(new KafkaError('NOT_CONTROLLER', 'none')),
    );
    const handler = initProducerIdHandler(ids);
    expect(await ask(handler, apis.initProducerId, 4, request)).toMatchObject({
      errorCode: errorCodes.COORDINATOR_LOAD_IN_PROGRESS,
      producerId: -1n,
      producerEpoch: -1,
    });
    ready = true;
    expect(await ask(handler, apis.initProducerId, 4, request)).toMatchObject({ producerId: 5n });
  });

  test.each([
    ['a transaction', { transactionalId: 'x' }],
    ['a transaction without a name', { transactionalId: '' }],
    ['an old id without its epoch', { producerId: 7n }],
    ['an old epoch without its id', { producerEpoch: 7 }],
  ])('%s is refused', async (_what, changes) => {
    const handler = initProducerIdHandler(blocks(1).ids);
    const answer = await ask(handler, apis.initProducerId, 3, { ...request, ...changes });
    expect(answer).toMatchObject({ errorCode: errorCodes.INVALID_REQUEST, producerId: -1n });
  });

  test('an old id with its epoch makes no difference', async () => {
    const handler = initProducerIdHandler(blocks(1).ids);
    const old = { producerId: 7n, producerEpoch: 3 };
    const answer = await ask(handler, apis.initProducerId, 3, { ...request, ...old });
    expect(answer).toMatchObject({ errorCode: 0, producerId: 10n, producerEpoch: 0 });
  });
});

describe('blocks', () => {
  test('many that ask at once never get the same id, and ask for each block once', async () => {
    const { ids, asked } = blocks(4);
    const all = await Promise.all(Array.from({ length: 8 }, () => ids.next()));
    expect(new Set(all).size).toBe(8);
    expect(asked()).toBe(4);
  });

  test('a bug is no reason to ask again', async () => {
    const ids = new ProducerIds(() => Promise.reject(new TypeError('a bug')));
    await expect(ids.next()).rejects.toThrow('a bug');
  });
});
