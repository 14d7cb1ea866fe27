/**
 * Certificates made in a test: an authority, and whoever it vouches for. Elliptic keys, because they
 * are made in no time; only as much DER as that takes.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface Made {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
  /** DER. */
  readonly der: Buffer;
}

export interface Wish {
  /** Pairs of object identifier and value, outermost first; a value may be DER itself. */
  readonly subject: readonly (readonly [string, string | Buffer])[];
  readonly validFrom?: string;
  readonly validTo?: string;
  /** Names and addresses that it is made out to. */
  readonly hosts?: readonly string[];
}

export const oid = {
  commonName: '2.5.4.3',
  country: '2.5.4.6',
  organization: '2.5.4.10',
  unit: '2.5.4.11',
  email: '1.2.840.113549.1.9.1',
  domainComponent: '0.9.2342.19200300.100.1.25',
} as const;

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const BASIC_CONSTRAINTS = '2.5.29.19';
const ALTERNATIVE_NAMES = '2.5.29.17';

/** One DER element. */
export function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length =
    size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...arcs].flatMap((arc) => {
    const septets = [arc & 0x7f];
    for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) {
      septets.unshift((rest & 0x7f) | 0x80);
    }
    return septets;
  });
  return der(0x06, Buffer.from(bytes));
}

const utf8 = (text: string): Buffer => der(0x0c, Buffer.from(text));

const name = (subject: Wish['subject']): Buffer =>
  der(
    0x30,
    ...subject.map(([type, value]) =>
      der(0x31, der(0x30, objectIdentifier(type), typeof value === 'string' ? utf8(value) : value)),
    ),
  );

const time = (iso: string): Buffer =>
  der(0x18, Buffer.from(`${iso.replaceAll(/[-:]|\.\d+/g, '').replace('T', '')}`));

function extensions(isAuthority: boolean, hosts: readonly string[]): Buffer {
  const all = [
    der(
      0x30,
      objectIdentifier(BASIC_CONSTRAINTS),
      der(0x04, der(0x30, ...(isAuthority ? [der(0x01, Buffer.from([0xff]))] : []))),
    ),
  ];
  if (hosts.length > 0) {
    const names = hosts.map((host) =>
      /^[\d.]+$/.test(host)
        ? der(0x87, Buffer.from(host.split('.').map(Number)))
        : der(0x82, Buffer.from(host)),
    );
    all.push(der(0x30, objectIdentifier(ALTERNATIVE_NAMES), der(0x04, der(0x30, ...names))));
  }
  return der(0xa3, der(0x30, ...all));
}

export class Authority implements Made {
  readonly certificate: string;
  readonly key: string;
  readonly der: Buffer;
  readonly #name: Buffer;
  readonly #privateKey: KeyObject;

  constructor(commonName = 'Test authority') {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#privateKey = privateKey;
    this.#name = name([[oid.commonName, commonName]]);
    this.key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    this.der = this.#signed(this.#name, publicKey, {}, true);
    this.certificate = pem(this.der);
  }

  /** A certificate that this authority vouches for. */
  issue(wish: Wish): Made {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const bytes = this.#signed(name(wish.subject), publicKey, wish, false);
    return {
      der: bytes,
      certificate: pem(bytes),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  }

  #signed(
    subject: Buffer,
    publicKey: KeyObject,
    {
      validFrom = '2020-01-01T00:00:00Z',
      validTo = '2999-12-31T00:00:00Z',
      hosts = [],
    }: Partial<Wish>,
    isAuthority: boolean,
  ): Buffer {
    const algorithm = der(0x30, objectIdentifier(ECDSA_WITH_SHA256));
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const serial = createHash('sha256').update(subject).update(spki).digest().subarray(0, 8);
    const toBeSigned = der(
      0x30,
      der(0xa0, der(0x02, Buffer.from([2]))),
      der(0x02, Buffer.concat([Buffer.from([1]), serial])),
      algorithm,
      this.#name,
      der(0x30, time(validFrom), time(validTo)),
      subject,
      spki,
      extensions(isAuthority, hosts),
    );
    const signature = sign('sha256', toBeSigned, this.#privateKey);
    return der(0x30, toBeSigned, algorithm, der(0x03, Buffer.from([0]), signature));
  }
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
