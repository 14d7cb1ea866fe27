/** Every declared Kafka message by its export name, for tests that go through all of them. */
import * as data from '../src/kafka/data/index.ts';
import { requestHeader, responseHeader } from '../src/kafka/header.ts';
import * as messages from '../src/kafka/messages/index.ts';
import { Message } from '../src/schema/api.ts';

export const allMessages: ReadonlyMap<string, Message<unknown>> = new Map(
  Object.entries({ ...messages, ...data, requestHeader, responseHeader }).flatMap(
    ([name, value]): [string, Message<unknown>][] =>
      value instanceof Message ? [[name, value as Message<unknown>]] : [],
  ),
);

export function versionsOf(message: Message<unknown>): number[] {
  const [first, last] = message.spec.versions;
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
