/**
 * Key stores and trust stores as files hold them, opened into the one form that the network takes:
 * PEM. What is in a file decides, not what it is called: keytool writes PKCS12 under the name of
 * JKS since Java 9.
 *
 * Not here: reading files, and which key of a configuration is to blame; an UnreadableStore's
 * message reads on from the name of the file.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { openPkcs12, UnreadableStore } from './pkcs12.ts';

export { UnreadableStore } from './pkcs12.ts';

/** A certificate with its private key: who somebody is. Both in PEM, the key in clear. */
export interface TlsIdentity {
  readonly key: string;
  /** The own certificate first, then those that lead to an authority. */
  readonly certificates: string;
}

const JKS_MAGIC = 0xfeedfeed;
const JCEKS_MAGIC = 0xcececece;
const DER_SEQUENCE = 0x30;
const KEY_BLOCK =
  /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]*?-----END (?:[A-Z]+ )*PRIVATE KEY-----/;
const CERTIFICATE_BLOCK =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;

interface Contents {
  readonly keys: readonly KeyObject[];
  readonly certificates: readonly X509Certificate[];
}

/**
 * The identity in a key store.
 * @param nowMs the certificate must be valid then
 * @param password of the store, or of the encrypted key in a PEM file; '' for none
 * @throws UnreadableStore when it cannot be opened, holds none, or one that cannot be used
 */
export function readIdentity(store: Buffer, password: string, nowMs: number): TlsIdentity {
  const { keys, certificates } = contentsOf(store, password);
  const [first] = keys;
  if (first === undefined) throw new UnreadableStore('there is no private key in it');
  for (const key of keys) {
    const own = certificates.find((certificate) => certificate.checkPrivateKey(key));
    if (own !== undefined) {
      checkValidity(own, nowMs);
      const others = certificates.filter((one) => one !== own);
      return {
        key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
        certificates: chainOf(own, others).map(String).join(''),
      };
    }
  }
  throw new UnreadableStore(
    certificates.length === 0
      ? 'there is no certificate in it'
      : 'none of its certificates belongs to its private key',
  );
}

/**
 * The certificates that a trust store believes, in PEM.
 * @throws UnreadableStore when it cannot be opened or is empty
 */
export function readAuthorities(store: Buffer, password: string): readonly string[] {
  const { certificates } = contentsOf(store, password);
  if (certificates.length === 0) throw new UnreadableStore('there is no certificate in it');
  return certificates.map(String);
}

function contentsOf(store: Buffer, password: string): Contents {
  const magic = store.length < 4 ? 0 : store.readUInt32BE(0);
  if (magic === JKS_MAGIC || magic === JCEKS_MAGIC) {
    throw new UnreadableStore(
      'it is a JKS store, which only Java reads; turn it into PKCS12 with "keytool -importkeystore ' +
        '-srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12"',
    );
  }
  if (store[0] === DER_SEQUENCE) return openPkcs12(store, password);
  return pemContents(store.toString('latin1'), password);
}

function pemContents(text: string, password: string): Contents {
  const key = KEY_BLOCK.exec(text)?.[0];
  const certificates = text.match(CERTIFICATE_BLOCK) ?? [];
  if (key === undefined && certificates.length === 0) {
    throw new UnreadableStore('it is neither PEM nor PKCS12');
  }
  return {
    keys: key === undefined ? [] : [pemKey(key, password)],
    certificates: certificates.map((one) => {
      try {
        return new X509Certificate(one);
      } catch {
        throw new UnreadableStore('a certificate in it is damaged');
      }
    }),
  };
}

function pemKey(key: string, password: string): KeyObject {
  const isEncrypted = key.includes('ENCRYPTED');
  if (isEncrypted && password === '') {
    throw new UnreadableStore('its private key is encrypted and no password is given');
  }
  try {
    return createPrivateKey({ key, ...(isEncrypted ? { passphrase: password } : {}) });
  } catch {
    throw new UnreadableStore(
      isEncrypted ? 'the password is wrong' : 'the private key in it is damaged',
    );
  }
}

function checkValidity({ validFrom, validTo }: X509Certificate, nowMs: number): void {
  if (nowMs > Date.parse(validTo))
    throw new UnreadableStore(`its certificate expired on ${validTo}`);
  if (nowMs < Date.parse(validFrom)) {
    throw new UnreadableStore(`its certificate is valid only from ${validFrom}`);
  }
}

/** The own certificate and, in order, those who vouch for it. */
function chainOf(own: X509Certificate, others: readonly X509Certificate[]): X509Certificate[] {
  const chain = [own];
  const left = new Set(others);
  for (let last = own; ; ) {
    // Some stores hold an authority twice: one that vouches for itself is the end.
    const issuer = last.checkIssued(last)
      ? undefined
      : [...left].find((one) => last.checkIssued(one));
    if (issuer === undefined) return chain;
    left.delete(issuer);
    chain.push(issuer);
    last = issuer;
  }
}
