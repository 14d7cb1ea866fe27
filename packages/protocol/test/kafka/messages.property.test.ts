/**
 * What must hold for every message and every version, whatever is in it: decoding gives back what
 * was encoded, and bytes that are no message are refused with MalformedMessage and nothing else,
 * quickly, and without building more than the bytes could hold.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MalformedMessage } from '../../src/errors.ts';
import type { Message } from '../../src/schema/api.ts';
import { allMessages, versionsOf } from '../all-messages.ts';
import { bodyOf } from '../arbitrary.ts';

const messages = [...allMessages];

/** Decodes, and takes a refusal for an answer; any other failure passes through. */
function decodeOrRefuse(message: Message<unknown>, bytes: Buffer, version: number): unknown {
  try {
    return message.decode(bytes, version);
  } catch (error) {
    if (error instanceof MalformedMessage) return error;
    throw error;
  }
}

describe('every message, every version', () => {
  test.each(messages)('%s: decode(encode(x)) = x', (_name, message) => {
    for (const version of versionsOf(message)) {
      fc.assert(
        fc.property(bodyOf(message.members, version), (body) => {
          const bytes = message.encode(body, version);
          expect(message.decode(bytes, version)).toEqual(body);
          expect(Buffer.concat(message.encodeChunks(body, version)).equals(bytes)).toBe(true);
        }),
        { numRuns: 8 },
      );
    }
  });

  test.each(messages)(
    '%s: cut short or damaged, it is refused or is another message',
    (_name, message) => {
      for (const version of versionsOf(message)) {
        fc.assert(
          fc.property(
            bodyOf(message.members, version),
            fc.nat(),
            fc.nat({ max: 255 }),
            (body, where, byte) => {
              const bytes = Buffer.from(message.encode(body, version));
              if (bytes.length === 0) return;
              const cut = bytes.subarray(0, where % bytes.length);
              expect(decodeOrRefuse(message, cut, version)).toBeInstanceOf(MalformedMessage);
              expect(
                decodeOrRefuse(message, Buffer.concat([bytes, bytes]), version),
              ).toBeInstanceOf(MalformedMessage);
              bytes[where % bytes.length] = byte;
              decodeOrRefuse(message, bytes, version);
            },
          ),
          { numRuns: 6 },
        );
      }
    },
  );

  test.each(messages)('%s: noise is refused or is a message', (_name, message) => {
    for (const version of versionsOf(message)) {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 100 }), (noise) => {
          decodeOrRefuse(message, Buffer.from(noise), version);
        }),
        { numRuns: 10 },
      );
    }
  });

  test.each([0x00, 0x01, 0x7f, 0x80, 0xff])('bytes of 0x%s only, of every size', (byte) => {
    for (const [, message] of messages) {
      for (const version of versionsOf(message)) {
        for (let size = 0; size < 80; size++)
          decodeOrRefuse(message, Buffer.alloc(size, byte), version);
      }
    }
  });
});
