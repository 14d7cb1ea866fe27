/**
 * message.format.version: a release of Kafka, or one of the steps that led to it. It has decided nothing since Kafka 3.0,
 * but is stored with topics and read by every broker of a cluster, and Apache's refuse to start with one they do not know.
 */

/** Kafka's releases up to 3.9, and how many steps (`-IV0` and so on) led to each. */
const STEPS: Readonly<Record<string, number>> = {
  ...{ '0.8.0': 0, '0.8.1': 0, '0.8.2': 0, '0.9.0': 0 },
  ...{ '0.10.0': 2, '0.10.1': 3, '0.10.2': 1, '0.11.0': 3, '1.0': 1, '1.1': 1 },
  ...{ '2.0': 2, '2.1': 3, '2.2': 2, '2.3': 2, '2.4': 2, '2.5': 1, '2.6': 1, '2.7': 3, '2.8': 2 },
  ...{ '3.0': 2, '3.1': 1, '3.2': 1, '3.3': 4, '3.4': 1, '3.5': 3, '3.6': 3, '3.7': 5, '3.8': 1 },
  '3.9': 1,
};

/** Tells whether Kafka 3.9 knows it: `3.0`, `3.0-IV1`, `3.0.2` or, before 1.0, `0.10.2` and the like. */
export function isFormatVersion(text: string): boolean {
  const match = /^(0\.\d+\.\d+|[1-9]\.\d+)(?:\.\d+)?(?:-IV(\d+))?$/.exec(text);
  const [, release = '', step] = match ?? [];
  const steps = Object.hasOwn(STEPS, release) ? STEPS[release] : undefined;
  return steps !== undefined && (step === undefined || Number(step) < steps);
}
