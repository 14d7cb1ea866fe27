/**
 * PKCS12 key stores, as keytool and openssl write them: checked against their password, and opened
 * into PEM. Node opens only stores that hold a private key, and none of those that hold trusted
 * certificates alone, which are what Java's trust stores are; so the container is read here, and the
 * cryptography in it is node:crypto's.
 *
 * Not here: RC2, with which tools of before 2018 hid certificates: OpenSSL 3 has given it up. Such a
 * store is refused with the way to convert it.
 * @see RFC 7292 (PKCS #12), RFC 8018 (PBES2)
 */
import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  type KeyObject,
  pbkdf2Sync,
  timingSafeEqual,
  X509Certificate,
} from 'node:crypto';
import { OdradekError } from '../errors.ts';
import {
  type DerElement,
  derChildren,
  derContent,
  derElement,
  derInteger,
  derObjectIdentifier,
  derParts,
  derTag,
  MalformedDer,
} from './der.ts';

const oid = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  keyBag: '1.2.840.113549.1.12.10.1.1',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  safeContentsBag: '1.2.840.113549.1.12.10.1.6',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  pbe3Des: '1.2.840.113549.1.12.1.3',
} as const;

const hashes: ReadonlyMap<string, string> = new Map([
  ['1.3.14.3.2.26', 'sha1'],
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);
const hmacs: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.2.7', 'sha1'],
  ['1.2.840.113549.2.8', 'sha224'],
  ['1.2.840.113549.2.9', 'sha256'],
  ['1.2.840.113549.2.10', 'sha384'],
  ['1.2.840.113549.2.11', 'sha512'],
]);
const ciphers: ReadonlyMap<string, { readonly name: string; readonly keyBytes: number }> = new Map([
  ['2.16.840.1.101.3.4.1.2', { name: 'aes-128-cbc', keyBytes: 16 }],
  ['2.16.840.1.101.3.4.1.22', { name: 'aes-192-cbc', keyBytes: 24 }],
  ['2.16.840.1.101.3.4.1.42', { name: 'aes-256-cbc', keyBytes: 32 }],
  ['1.2.840.113549.3.7', { name: 'des-ede3-cbc', keyBytes: 24 }],
]);

/** A store that asks for more work than this to try one password is refused. */
const ITERATIONS_MAX = 10_000_000;
/** Bags within bags. */
const NESTING_MAX = 4;
/** What a key derivation derives: RFC 7292, B.3. */
const purpose = { key: 1, iv: 2, mac: 3 } as const;

/** Why a store cannot be opened, in words that read on from its name. */
export class UnreadableStore extends OdradekError {
  override readonly name = 'UnreadableStore';
  readonly code = 'UNREADABLE_STORE';
  readonly retriable = false;
}

export interface OpenedStore {
  /** In the order of the store. */
  readonly keys: readonly KeyObject[];
  readonly certificates: readonly X509Certificate[];
}

/**
 * @throws UnreadableStore for a wrong password, another format, or methods that are not known
 */
export function openPkcs12(store: Buffer, password: string): OpenedStore {
  try {
    return new Opening(password).open(store);
  } catch (error) {
    if (error instanceof MalformedDer) {
      throw new UnreadableStore(`it is damaged, or no PKCS12 store (${error.message})`);
    }
    throw error;
  }
}

const wrongPassword = (): UnreadableStore => new UnreadableStore('the password is wrong');

class Opening {
  readonly #password: string;
  readonly #keys: KeyObject[] = [];
  readonly #certificates: X509Certificate[] = [];

  constructor(password: string) {
    this.#password = password;
  }

  open(store: Buffer): OpenedStore {
    const [version, authSafe, macData] = derParts(derElement(store), derTag.sequence);
    if (derInteger(version) !== 3) throw new MalformedDer('a version other than 3');
    const safe = contentOf(authSafe, oid.data);
    if (macData !== undefined) this.#checkMac(safe, macData);
    for (const info of derParts(derElement(safe), derTag.sequence)) this.#safeContents(info);
    return { keys: this.#keys, certificates: this.#certificates };
  }

  /** What tells a wrong password from a damaged store. */
  #checkMac(safe: Buffer, macData: DerElement): void {
    const [digestInfo, salt, iterations] = derParts(macData, derTag.sequence);
    const [algorithm, expected] = derParts(digestInfo, derTag.sequence);
    const [hashOid] = derParts(algorithm, derTag.sequence);
    const hash = known(hashes, derObjectIdentifier(hashOid));
    const key = deriveKey({
      hash,
      password: this.#password,
      salt: derContent(salt, derTag.octetString),
      iterations: iterations === undefined ? 1 : derInteger(iterations),
      id: purpose.mac,
      sizeBytes: createHash(hash).digest().length,
    });
    const mac = createHmac(hash, key).update(safe).digest();
    const digest = derContent(expected, derTag.octetString);
    if (mac.length !== digest.length || !timingSafeEqual(mac, digest)) throw wrongPassword();
  }

  #safeContents(info: DerElement): void {
    const [type] = derParts(info, derTag.sequence);
    if (derObjectIdentifier(type) === oid.data) {
      this.#bags(contentOf(info, oid.data), 0);
      return;
    }
    const encrypted = innerOf(info, oid.encryptedData);
    const [, contents] = derParts(encrypted, derTag.sequence);
    const [, algorithm, bytes] = derParts(contents, derTag.sequence);
    // [0] IMPLICIT OCTET STRING, in one piece (DER) or several (BER).
    const cipherText = bytes?.tag === derTag.context0 ? joined(bytes.content) : bytes?.content;
    if (cipherText === undefined) throw new MalformedDer('a part is missing');
    this.#bags(this.#decrypted(algorithm, cipherText), 0);
  }

  #bags(content: Buffer, depth: number): void {
    if (depth > NESTING_MAX) throw new MalformedDer('bags within bags within bags');
    for (const bag of derParts(derElement(content), derTag.sequence)) {
      const [type, value] = derParts(bag, derTag.sequence);
      const [inner] = derParts(value, derTag.context0);
      if (inner === undefined) throw new MalformedDer('an empty bag');
      switch (derObjectIdentifier(type)) {
        case oid.keyBag:
          this.#keys.push(createPrivateKey({ key: inner.whole, format: 'der', type: 'pkcs8' }));
          break;
        case oid.shroudedKeyBag:
          this.#keys.push(this.#shroudedKey(inner));
          break;
        case oid.certBag:
          this.#certificate(inner);
          break;
        case oid.safeContentsBag:
          this.#bags(inner.whole, depth + 1);
          break;
        default: // Revocation lists, secrets: not for TLS.
      }
    }
  }

  #shroudedKey(element: DerElement): KeyObject {
    const [algorithm, bytes] = derParts(element, derTag.sequence);
    const key = this.#decrypted(algorithm, derContent(bytes, derTag.octetString));
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  }

  #certificate(element: DerElement): void {
    const [type, value] = derParts(element, derTag.sequence);
    if (derObjectIdentifier(type) !== oid.x509Certificate) return;
    const [bytes] = derParts(value, derTag.context0);
    this.#certificates.push(new X509Certificate(derContent(bytes, derTag.octetString)));
  }

  #decrypted(algorithm: DerElement | undefined, cipherText: Buffer): Buffer {
    const [type, parameters] = derParts(algorithm, derTag.sequence);
    const { name, key, iv } = this.#cipher(derObjectIdentifier(type), parameters);
    const decipher = createDecipheriv(name, key, iv);
    try {
      return Buffer.concat([decipher.update(cipherText), decipher.final()]);
    } catch {
      throw wrongPassword(); // The padding is not right: for a store without a check of its own.
    }
  }

  #cipher(
    type: string,
    parameters: DerElement | undefined,
  ): { name: string; key: Buffer; iv: Buffer } {
    if (type === oid.pbes2) return this.#pbes2(parameters);
    if (type !== oid.pbe3Des) throw unknownMethod(type);
    const [salt, iterations] = derParts(parameters, derTag.sequence);
    const derive = (id: number, sizeBytes: number): Buffer =>
      deriveKey({
        hash: 'sha1',
        password: this.#password,
        salt: derContent(salt, derTag.octetString),
        iterations: derInteger(iterations),
        id,
        sizeBytes,
      });
    return { name: 'des-ede3-cbc', key: derive(purpose.key, 24), iv: derive(purpose.iv, 8) };
  }

  #pbes2(parameters: DerElement | undefined): { name: string; key: Buffer; iv: Buffer } {
    const [derivation, scheme] = derParts(parameters, derTag.sequence);
    const [derivationType, derivationParameters] = derParts(derivation, derTag.sequence);
    const derivationOid = derObjectIdentifier(derivationType);
    if (derivationOid !== oid.pbkdf2) throw unknownMethod(derivationOid);
    const [salt, iterations, ...rest] = derParts(derivationParameters, derTag.sequence);
    const prf = rest.find(({ tag }) => tag === derTag.sequence); // A key length may stand before it.
    const [prfOid] = prf === undefined ? [] : derParts(prf, derTag.sequence);
    const hash = prfOid === undefined ? 'sha1' : known(hmacs, derObjectIdentifier(prfOid));
    const [cipherOid, iv] = derParts(scheme, derTag.sequence);
    const { name, keyBytes } = known(ciphers, derObjectIdentifier(cipherOid));
    const key = pbkdf2Sync(
      this.#password,
      derContent(salt, derTag.octetString),
      bounded(derInteger(iterations)),
      keyBytes,
      hash,
    );
    return { name, key, iv: derContent(iv, derTag.octetString) };
  }
}

/** The element inside a ContentInfo of this type. */
function innerOf(info: DerElement | undefined, type: string): DerElement | undefined {
  const [actual, content] = derParts(info, derTag.sequence);
  const actualType = derObjectIdentifier(actual);
  if (actualType !== type) throw unknownMethod(actualType);
  return derParts(content, derTag.context0)[0];
}

const contentOf = (info: DerElement | undefined, type: string): Buffer =>
  derContent(innerOf(info, type), derTag.octetString);

const joined = (content: Buffer): Buffer =>
  Buffer.concat(derChildren(content).map((part) => derContent(part, derTag.octetString)));

function known<Value>(table: ReadonlyMap<string, Value>, type: string): Value {
  const value = table.get(type);
  if (value === undefined) throw unknownMethod(type);
  return value;
}

const unknownMethod = (type: string): UnreadableStore =>
  new UnreadableStore(
    `it is protected by an old or unknown method (${type}); write it anew with a current keytool, ` +
      'or turn it into PEM with "openssl pkcs12 -legacy -in FILE -nodes -out FILE.pem"',
  );

function bounded(iterations: number): number {
  if (iterations < 1 || iterations > ITERATIONS_MAX) {
    throw new MalformedDer(`${iterations} iterations`);
  }
  return iterations;
}

/** PKCS12's own key derivation: RFC 7292, B.2. */
function deriveKey(parts: {
  readonly hash: string;
  readonly password: string;
  readonly salt: Buffer;
  readonly iterations: number;
  readonly id: number;
  readonly sizeBytes: number;
}): Buffer {
  const { hash, salt, id, sizeBytes } = parts;
  const iterations = bounded(parts.iterations);
  const blockBytes = hash === 'sha384' || hash === 'sha512' ? 128 : 64;
  const password = Buffer.from(`${parts.password}\0`, 'utf16le').swap16();
  const input = Buffer.concat([repeated(salt, blockBytes), repeated(password, blockBytes)]);
  const diversifier = Buffer.alloc(blockBytes, id);
  const derived: Buffer[] = [];
  for (let size = 0; size < sizeBytes; ) {
    let digest = createHash(hash).update(diversifier).update(input).digest();
    for (let round = 1; round < iterations; round += 1) {
      digest = createHash(hash).update(digest).digest();
    }
    derived.push(digest);
    size += digest.length;
    addToBlocks(input, repeated(digest, blockBytes).subarray(0, blockBytes), blockBytes);
  }
  return Buffer.concat(derived).subarray(0, sizeBytes);
}

/** As many whole blocks as it takes to hold the bytes once, filled with them over and over. */
function repeated(bytes: Buffer, blockBytes: number): Buffer {
  return Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes, bytes);
}

/** Adds `addend` + 1 to each block, as big numbers. */
function addToBlocks(input: Buffer, addend: Buffer, blockBytes: number): void {
  for (let from = 0; from < input.length; from += blockBytes) {
    let carry = 1;
    for (let at = blockBytes - 1; at >= 0; at -= 1) {
      const sum = (input[from + at] ?? 0) + (addend[at] ?? 0) + carry;
      input[from + at] = sum & 0xff;
      carry = sum >> 8;
    }
  }
}
