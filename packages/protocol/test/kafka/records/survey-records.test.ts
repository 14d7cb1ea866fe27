/**
 * Goal: a survey finds well-formed what a cursor finds well-formed, and tells the truth about it.
 * Method: properties over any records, and over their bytes with something changed, cut or put in; the cursor,
 * which builds on other code, is the model.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  encodeBatch,
  MalformedMessage,
  openRecords,
  type RecordInput,
  surveyRecords,
} from '../../../src/index.ts';

const HEADER_BYTES = 61;
const T = 1_700_000_000_000;

const bytes = fc.option(
  fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.integer({ min: 0, max: 20_000 }).map((size) => new Uint8Array(size)),
  ),
  { nil: null },
);
const record: fc.Arbitrary<RecordInput> = fc.record(
  {
    key: bytes,
    value: bytes,
    headers: fc.array(fc.record({ key: fc.string({ maxLength: 80 }), value: bytes }), {
      maxLength: 3,
    }),
    timestamp: fc.oneof(
      fc.integer({ min: T - 5, max: T + 70 }),
      fc.integer({ min: T - 9_000, max: T + 9_000 }),
      fc.integer({ min: -1, max: 2 ** 44 }),
    ),
    offsetDelta: fc.oneof(fc.nat(2), fc.nat(2 ** 31 - 1)),
  },
  { requiredKeys: ['key', 'value', 'timestamp'] },
);
const records = fc.array(record, { minLength: 1, maxLength: 20 });

/** What a cursor makes of the records of a batch; null when it throws. */
function model(batch: Buffer, count: number) {
  const found = { deltas: [] as number[], countsUp: true, lacksKey: false };
  try {
    const cursor = openRecords(batch, 0, { verifyChecksum: false });
    for (let index = 0; cursor.next(); index++) {
      found.deltas.push(cursor.timestamp - T);
      if (cursor.offsetDelta !== index) found.countsUp = false;
      if (cursor.keyLength < 0) found.lacksKey = true;
    }
  } catch (error) {
    if (error instanceof MalformedMessage) return null;
    throw error;
  }
  expect(found.deltas).toHaveLength(count);
  return {
    minTimestampDelta: Math.min(...found.deltas),
    maxTimestampDelta: Math.max(...found.deltas),
    firstTimestampDelta: found.deltas[0],
    countsUp: found.countsUp,
    lacksKey: found.lacksKey,
  };
}

function surveyed(batch: Buffer, count: number) {
  try {
    const within = Buffer.concat([batch, Buffer.alloc(30_000)]); // What lies behind is none of it.
    const { hasAttributes: _, ...rest } = surveyRecords(within, HEADER_BYTES, batch.length, count);
    return rest;
  } catch (error) {
    if (error instanceof MalformedMessage) return null;
    throw error;
  }
}

/** A batch whose deltas count from T, so that the cursor's timestamps tell the deltas. */
function batchOf(inputs: readonly RecordInput[]): Buffer {
  const batch = encodeBatch({ records: inputs, lastOffsetDelta: inputs.length - 1 });
  batch.writeBigInt64BE(BigInt(T), 27);
  return batch;
}

test('any records', () => {
  fc.assert(
    fc.property(records, (inputs) => {
      const batch = batchOf(inputs);
      const found = surveyed(batch, inputs.length);
      expect(found).not.toBeNull();
      expect(found).toEqual(model(batch, inputs.length));
    }),
  );
});

test('any bytes that were records', () => {
  fc.assert(
    fc.property(
      records,
      fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0x80, 0xff, 1, 0))), {
        maxLength: 3,
      }),
      fc.integer({ min: -3, max: 3 }),
      fc.integer({ min: -1, max: 1 }),
      (inputs, changes, longer, more) => {
        const whole = batchOf(inputs);
        const size = Math.max(HEADER_BYTES, whole.length + longer);
        const batch = Buffer.alloc(size);
        whole.copy(batch);
        for (const [at, value] of changes)
          if (size > HEADER_BYTES) batch[HEADER_BYTES + (at % (size - HEADER_BYTES))] = value;
        batch.writeInt32BE(size - 12, 8);
        const count = inputs.length + more;
        batch.writeInt32BE(count, 57);
        if (count === 0) return;
        expect(surveyed(batch, count)).toEqual(model(batch, count));
      },
    ),
    { numRuns: 2_000 },
  );
});

test('attributes of records', () => {
  const batch = batchOf([{ key: null, value: null, timestamp: T }]);
  expect(surveyRecords(batch, HEADER_BYTES, batch.length, 1).hasAttributes).toBe(false);
  batch[HEADER_BYTES + 1] = 4;
  expect(surveyRecords(batch, HEADER_BYTES, batch.length, 1).hasAttributes).toBe(true);
});

test.each([
  'a record in as few bytes as may be: 0c 00 00 00 00 00 00',
  'numbers of two bytes: 12 00 80 01 00 80 00 80 00',
  'numbers of more bytes than they need: 14 00 80 80 80 00 00 00 00 00',
  'numbers of too many bytes: 1e 00 00 80 80 80 80 80 80 80 00 00 00 00 00 00',
  'no end: ff ff ff ff ff ff ff',
  'an end within the length: 80',
  'nothing: ',
])('%s', (text) => {
  const section = Buffer.from((text.split(': ')[1] ?? '').replaceAll(' ', ''), 'hex');
  const header = batchOf([{ key: null, value: null, timestamp: T }]).subarray(0, HEADER_BYTES);
  const batch = Buffer.concat([header, section]);
  batch.writeInt32BE(batch.length - 12, 8);
  expect(surveyed(batch, 1)).toEqual(model(batch, 1));
});
