/**
 * Lines for the operator about limits that come near: quotas, sequence numbers, zxids. Each at most
 * once in a while, because what causes them comes in thousands.
 */
import type { Environment } from '@odradek/runtime';
import {
  epochOf,
  type SequenceMilestone,
  type ZxidNotice,
} from '../core/transaction/number-spaces.ts';
import type { Notices } from '../core/transaction/prepare.ts';
import type { QuotaExcess } from '../core/transaction/quota-ledger.ts';
import { namespaceOf } from './monitoring.ts';
import type { ServerStats } from './server-stats.ts';

/** One line for each quota in this time. */
const QUOTA_LINE_INTERVAL_MS = 60_000;
/** Quotas whose last line is remembered. */
const QUOTAS_REMEMBERED_MAX = 10_000;

export interface NumberNotices extends Notices {
  zxid(notice: ZxidNotice, zxid: bigint): void;
}

const sequenceTexts = {
  nearSigned32: 'nine tenths of 2^31: clients that read the number into 32 bits will fail soon',
  signed32: '2^31: clients that read the number into 32 bits fail from now on',
  nearTenDigits: 'nine tenths of 10^10: names will grow an eleventh digit',
  tenDigits: '10^10: names have eleven digits now and do not sort as numbers do',
} as const satisfies Record<SequenceMilestone, string>;

export function numberNotices(
  { clock, log }: Pick<Environment, 'clock' | 'log'>,
  stats: ServerStats,
): NumberNotices {
  /** When the last line was written, by quota and what was exceeded. */
  const saidAtMs = new Map<string, number>();

  function mayBeSaid(key: string): boolean {
    const now = clock.now();
    const last = saidAtMs.get(key);
    if (last !== undefined && now - last < QUOTA_LINE_INTERVAL_MS) return false;
    if (saidAtMs.size >= QUOTAS_REMEMBERED_MAX) saidAtMs.clear();
    saidAtMs.set(key, now);
    return true;
  }

  return {
    quotaExceeded({ path, what, isHard, limit, usage }: QuotaExcess, isRefused: boolean): void {
      if (isRefused) stats.meters.quota_exceeded_error_per_namespace.of(namespaceOf(path)).add();
      if (!mayBeSaid(`${path} ${what} ${isHard}`)) return;
      log.warn(isRefused ? 'quota exceeded: the write is refused' : 'quota exceeded', {
        path,
        [isHard ? `${what}HardLimit` : `${what}Limit`]: limit,
        [what]: usage,
      });
    },
    sequenceReached(path, milestone): void {
      log.warn('very many nodes were made under one parent', {
        path,
        created: sequenceTexts[milestone],
      });
    },
    zxid(notice, zxid): void {
      const epoch = epochOf(zxid);
      if (notice.kind === 'rolled') {
        log.warn('the zxid counter was full: transactions go on in the next epoch', { epoch });
        return;
      }
      const usedPercent = Math.floor(notice.usedShare * 100);
      log.warn('the zxid counter fills up; the next epoch follows, without loss', {
        epoch,
        usedPercent,
        left: notice.left,
      });
    },
  };
}
