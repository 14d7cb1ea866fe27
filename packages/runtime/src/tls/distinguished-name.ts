/**
 * The subject of a certificate as text (RFC 2253), exactly as Java prints it, because that text is
 * what access lists compare: innermost part first, commas without blanks, the nine well-known
 * attributes by their letters, all others by number with their value in hexadecimal.
 * @see javax.security.auth.x500.X500Principal.getName()
 */
import {
  type DerElement,
  derElement,
  derObjectIdentifier,
  derParts,
  derTag,
  derText,
} from './der.ts';

const keywords: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
]);

/** What else is understood in a name that is given as text. */
const otherKeywords: ReadonlySet<string> = new Set([
  ...['S', 'T', 'IP', 'DNQ', 'DNQUALIFIER', 'SURNAME', 'GIVENNAME', 'INITIALS', 'GENERATION'],
  ...['EMAIL', 'EMAILADDRESS', 'SERIALNUMBER'],
]);
const knownKeywords: ReadonlySet<string> = new Set([...keywords.values(), ...otherKeywords]);

/** Explicit version of a certificate: the one optional part in front of its serial number. */
const VERSION_TAG = 0xa0;
/** Where the subject stands among the parts of a certificate, behind the version. */
const SUBJECT_INDEX = 4;

/**
 * The subject of a certificate.
 * @throws MalformedDer for bytes that are no certificate
 */
export function subjectOf(certificate: Buffer): string {
  const [toBeSigned] = derParts(derElement(certificate), derTag.sequence);
  const parts = derParts(toBeSigned, derTag.sequence);
  const subject = parts[parts[0]?.tag === VERSION_TAG ? SUBJECT_INDEX + 1 : SUBJECT_INDEX];
  return derParts(subject, derTag.sequence)
    .map((relative) => derParts(relative, derTag.set).map(attribute).join('+'))
    .reverse()
    .join(',');
}

function attribute(element: DerElement): string {
  const [type, value] = derParts(element, derTag.sequence);
  const oid = derObjectIdentifier(type);
  const keyword = keywords.get(oid);
  const text = value === undefined || keyword === undefined ? null : derText(value);
  return text === null
    ? `${keyword ?? oid}=#${value?.whole.toString('hex') ?? ''}`
    : `${keyword}=${escaped(text)}`;
}

function escaped(text: string): string {
  return text
    .replace(/[,=+<>#;"\\]/g, '\\$&')
    .replaceAll('\0', '\\00')
    .replace(/^[ \r]+|[ \r]+$/g, (blanks) => blanks.replace(/./gs, '\\$&'));
}

/** Whether a text reads as such a name: parts of `type=value` between commas, semicolons or plus signs. */
export function isDistinguishedName(text: string): boolean {
  if (text.trim() === '') return true;
  const parts = text.match(/(?:\\.|"(?:\\.|[^"\\])*"|[^,;+\\"])+|[,;+]|[\\"]/gs) ?? [];
  return (
    parts.every((part, index) => (index % 2 === 0 ? isAttribute(part) : /^[,;+]$/.test(part))) &&
    parts.length % 2 === 1
  );
}

function isAttribute(text: string): boolean {
  const equals = text.indexOf('=');
  if (equals === -1) return false;
  const type = text.slice(0, equals).trim().toUpperCase();
  if (!knownKeywords.has(type) && !/^(OID\.)?[012](\.\d+)+$/.test(type)) return false;
  const value = text.slice(equals + 1).trim();
  if (value.startsWith('#')) return /^#([0-9a-f]{2})+$/i.test(value);
  // A quoted value is quoted as a whole; a bare one has no bare special character.
  return value.startsWith('"')
    ? /^"(?:\\.|[^"\\])*"$/s.test(value)
    : !/(?<!\\)(?:\\\\)*[<>"]/.test(value);
}
