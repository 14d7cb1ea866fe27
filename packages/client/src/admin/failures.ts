/** Error codes of answers as values. Pure. */
import { KafkaError, kafkaErrorOf } from '@odradek/protocol';

/** null for success. */
export function failureOf(code: number, message?: string | null): KafkaError | null {
  if (code === 0) return null;
  return new KafkaError(kafkaErrorOf(code), message || undefined);
}

/** The first of these codes that a result carries; 0 when none does. */
export function firstRetriable(
  results: readonly { readonly errorCode: number }[],
  codes: readonly number[],
): number {
  return results.find(({ errorCode }) => codes.includes(errorCode))?.errorCode ?? 0;
}
