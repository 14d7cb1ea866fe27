/** The text in a quota's two nodes: `count=N,bytes=M=;byteHardLimit=X;countHardLimit=Y`, -1 for none. Pure. */

export interface QuotaLimits {
  readonly count: bigint;
  readonly bytes: bigint;
  readonly countHard: bigint;
  readonly bytesHard: bigint;
}

/** The odd `=;` is part of the format: readers of before there were hard limits stop there. */
export function quotaText({ count, bytes, countHard, bytesHard }: QuotaLimits): string {
  return `count=${count},bytes=${bytes}=;byteHardLimit=${bytesHard};countHardLimit=${countHard}`;
}

/** Parts that are missing, or no numbers, are no limits. */
export function quotaLimits(text: string): QuotaLimits {
  const part = (name: string): bigint =>
    BigInt(new RegExp(`(?:^|[,;=])${name}=(-?\\d+)`).exec(text)?.[1] ?? '-1');
  return {
    count: part('count'),
    bytes: part('bytes'),
    countHard: part('countHardLimit'),
    bytesHard: part('byteHardLimit'),
  };
}
