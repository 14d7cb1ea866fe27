/** Access control lists as text: `scheme:id:cdrwa,…` in, `'scheme,'id` and `: cdrwa` out. Pure. */
import type { GetAclResponse } from '@odradek/protocol';

export type AclEntries = readonly {
  readonly perms: number;
  readonly id: { readonly scheme: string; readonly id: string };
}[];

export const OPEN_ACL: AclEntries = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];

/** In the order in which they are shown. */
const LETTERS = [
  ['c', 4],
  ['d', 8],
  ['r', 1],
  ['w', 2],
  ['a', 16],
] as const;

export interface ReadAcl {
  readonly entries: AclEntries;
  /** What was wrong: such entries are left out, such letters passed over. */
  readonly complaints: readonly string[];
}

/** The id may hold colons: the scheme ends at the first, the permissions begin after the last. */
export function readAcl(text: string): ReadAcl {
  const entries: { perms: number; id: { scheme: string; id: string } }[] = [];
  const complaints: string[] = [];
  for (const part of text.split(',').map((entry) => entry.trim())) {
    const first = part.indexOf(':');
    const last = part.lastIndexOf(':');
    if (first === last) {
      complaints.push(`${part} does not have the form scheme:id:perm`);
      continue;
    }
    let perms = 0;
    for (const letter of part.slice(last + 1)) {
      const known = LETTERS.find(([name]) => name === letter);
      if (known === undefined) complaints.push(`Unknown perm type: ${letter}`);
      else perms |= known[1];
    }
    entries.push({ perms, id: { scheme: part.slice(0, first), id: part.slice(first + 1, last) } });
  }
  return { entries, complaints };
}

export function showAcl(acl: GetAclResponse['acl']): string {
  return (acl ?? [])
    .map(({ perms, id }) => {
      const letters = LETTERS.filter(([, bit]) => (perms & bit) !== 0).map(([name]) => name);
      return `'${id.scheme},'${id.id}\n: ${letters.join('')}\n`;
    })
    .join('');
}
