/** The limits of group coordinators as a table: the numbers from the code, what they mean in words. */
import { type GroupLimits, groupLimits } from '../packages/broker/src/core/group/limits.ts';

const MIB = 1024 * 1024;

const meaning: Readonly<Record<keyof GroupLimits, readonly [what: string, beyond: string]>> = {
  memberMaxBytes: ['one member with all it offers', 'GROUP_MAX_SIZE_REACHED'],
  groupMaxBytes: ['all members of one group', 'GROUP_MAX_SIZE_REACHED'],
  handedOutIdsMax: [
    'member ids of one group that were handed out and not used yet',
    'the oldest is forgotten; its owner asks for another',
  ],
  returnsInFlightMax: [
    'static members of one group whose new id is being written',
    'COORDINATOR_NOT_AVAILABLE, try again',
  ],
  groupsMaxBytes: [
    'all groups of a broker with their members',
    'COORDINATOR_NOT_AVAILABLE, try again',
  ],
  offsetsMaxBytes: [
    'all committed offsets of a broker',
    'COORDINATOR_NOT_AVAILABLE for partitions without one, try again',
  ],
};

export function groupLimitTable(): string {
  const rows = Object.entries(meaning).map(([name, [what, beyond]]) => {
    const limit = groupLimits[name as keyof GroupLimits];
    const text = name.endsWith('Bytes') ? `${limit / MIB} MiB` : String(limit);
    return `| \`${name}\` | ${what} | ${text} | ${beyond} |`;
  });
  return ['| limit | of what | value | beyond it |', '| --- | --- | --- | --- |', ...rows].join(
    '\n',
  );
}
