/**
 * Address patterns of the `ip` scheme: an IPv4 or IPv6 address, optionally `/bits`.
 * An IPv4 address mapped into IPv6 counts as the IPv4 address.
 */

/** Whether the text is an address or a network. */
export function isIpPattern(text: string): boolean {
  return parsePattern(text) !== null;
}

/** Whether the first bits of `address` are those of `pattern`. */
export function ipMatches(pattern: string, address: string): boolean {
  const network = parsePattern(pattern);
  const own = parseAddress(address);
  if (network === null || own === null || network.bytes.length !== own.length) return false;
  for (let bit = 0; bit < network.bitCount; bit += 8) {
    const mask = bit + 8 <= network.bitCount ? 0xff : (0xff00 >> (network.bitCount - bit)) & 0xff;
    const index = bit >> 3;
    if ((((network.bytes[index] ?? 0) ^ (own[index] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

function parsePattern(text: string): { bytes: readonly number[]; bitCount: number } | null {
  const [address = '', bits, more] = text.split('/');
  const bytes = parseAddress(address);
  if (bytes === null || more !== undefined) return null;
  const bitMax = bytes.length * 8;
  if (bits === undefined) return { bytes, bitCount: bitMax };
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > bitMax) return null;
  return { bytes, bitCount: Number(bits) };
}

function parseAddress(text: string): readonly number[] | null {
  if (!text.includes(':')) return parseIpv4(text);
  const bytes = parseIpv6(text);
  if (bytes === null) return null;
  const isMapped =
    bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return isMapped ? bytes.slice(12) : bytes;
}

function parseIpv4(text: string): readonly number[] | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255))
    return null;
  return parts.map(Number);
}

function parseIpv6(text: string): readonly number[] | null {
  const [bare = ''] = text.split('%'); // A zone such as %eth0 says nothing about the peer's network.
  const halves = bare.split('::');
  if (halves.length > 2) return null;
  const [head, tail] = halves.map(parseGroups);
  if (head === null || head === undefined || tail === null) return null;
  if (tail === undefined) return head.length === 16 ? head : null;
  const gap = 16 - head.length - tail.length;
  return gap < 2 ? null : [...head, ...new Array<number>(gap).fill(0), ...tail];
}

function parseGroups(text: string): readonly number[] | null {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (group.includes('.')) {
      const ipv4 = index === groups.length - 1 ? parseIpv4(group) : null;
      if (ipv4 === null) return null;
      bytes.push(...ipv4);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else {
      return null;
    }
  }
  return bytes;
}
