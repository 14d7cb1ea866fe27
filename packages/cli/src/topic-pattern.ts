/**
 * Topic names as Kafka's tools take them: a regular expression that must match the whole name, with a comma for
 * "or", and spaces and outer quotes dropped.
 */
import { UsageError } from './options.ts';

export function topicPattern(text: string): RegExp {
  const source = text
    .trim()
    .replaceAll(',', '|')
    .replaceAll(' ', '')
    .replace(/^["']+/, '')
    .replace(/["']+$/, '');
  try {
    return new RegExp(`^(?:${source})$`);
  } catch (error) {
    throw new UsageError(`'${text}' is not a regular expression`, { cause: error });
  }
}
