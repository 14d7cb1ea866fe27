/**
 * Reading DER, the bytes that certificates and key stores are made of: as much of it as those need.
 * Definite lengths only, no copying; every impossibility is a MalformedDer.
 */

/** Bytes that are no DER, or not the DER that was expected. */
export class MalformedDer extends Error {
  override readonly name = 'MalformedDer';
}

/** The tags that are met here, as they stand in the first byte. */
export const derTag = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  generalString: 0x1b,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
  context0: 0xa0,
} as const;

/** Nesting is told by callers; a length says at most this many bytes. */
const LENGTH_BYTES_MAX = 4;

/** One element: its tag, its content, and all of it. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag and length included. */
  readonly whole: Buffer;
}

/** The element that begins at `at`. */
export function derElement(bytes: Buffer, at = 0): DerElement {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw new MalformedDer('it ends too early');
  if ((tag & 0x1f) === 0x1f) throw new MalformedDer(`unexpected tag 0x${tag.toString(16)}`);
  let from = at + 2;
  let size = first;
  if (first >= 0x80) {
    const sizeBytes = first - 0x80;
    if (sizeBytes === 0 || sizeBytes > LENGTH_BYTES_MAX || from + sizeBytes > bytes.length) {
      throw new MalformedDer('a length that cannot be');
    }
    size = bytes.readUIntBE(from, sizeBytes);
    from += sizeBytes;
  }
  const to = from + size;
  if (to > bytes.length) throw new MalformedDer('it ends too early');
  return { tag, content: bytes.subarray(from, to), whole: bytes.subarray(at, to) };
}

/** The elements that lie one after the other in `content`. */
export function derChildren(content: Buffer): DerElement[] {
  const children: DerElement[] = [];
  for (let at = 0; at < content.length; ) {
    const child = derElement(content, at);
    children.push(child);
    at += child.whole.length;
  }
  return children;
}

/** The children of an element that has to have this tag. */
export function derParts(element: DerElement | undefined, tag: number): DerElement[] {
  return derChildren(derContent(element, tag));
}

/** The content of an element that has to have this tag. */
export function derContent(element: DerElement | undefined, tag: number): Buffer {
  if (element === undefined) throw new MalformedDer('a part is missing');
  if (element.tag !== tag) {
    throw new MalformedDer(
      `tag 0x${element.tag.toString(16)} where 0x${tag.toString(16)} should be`,
    );
  }
  return element.content;
}

/** A small non-negative integer, such as a count of iterations. */
export function derInteger(element: DerElement | undefined): number {
  const content = derContent(element, derTag.integer);
  if (content.length === 0 || content.length > LENGTH_BYTES_MAX || (content[0] ?? 0) >= 0x80) {
    throw new MalformedDer('a number that cannot be');
  }
  return content.readUIntBE(0, content.length);
}

/** An object identifier with dots. */
export function derObjectIdentifier(element: DerElement | undefined): string {
  const content = derContent(element, derTag.objectIdentifier);
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const byte of content) {
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    if (byte >= 0x80) continue;
    if (arcs.length === 0) {
      const root = arc < 40n ? 0n : arc < 80n ? 1n : 2n;
      arcs.push(root, arc - root * 40n);
    } else {
      arcs.push(arc);
    }
    arc = 0n;
  }
  return arcs.join('.');
}

/** The text of a string element; null for an element that is no string. */
export function derText({ tag, content }: DerElement): string | null {
  switch (tag) {
    case derTag.utf8String:
      return content.toString('utf8');
    case derTag.printableString:
    case derTag.ia5String:
    case derTag.teletexString:
    case derTag.generalString:
      return content.toString('latin1');
    case derTag.bmpString:
      return content.length % 2 === 0 ? Buffer.from(content).swap16().toString('utf16le') : null;
    default:
      return null;
  }
}
