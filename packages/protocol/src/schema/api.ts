/**
 * From a declaration to a codec: `api` for requests and responses, `data` for what is stored or
 * embedded, `record` for Jute. Encoder and decoder of a version are compiled when first used.
 */
import { MalformedMessage, UnsupportedVersion } from '../errors.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import { compileDecoder, compileEncoder, type Decode, type Encode } from './compile.ts';
import type { MemberNode, VersionRange } from './node.ts';
import type { Target } from './source.ts';
import {
  type BodyOfFields,
  type Fields,
  type InputOfFields,
  membersOf,
  type shape,
} from './types.ts';

/** What holds for a message as a whole. */
export interface MessageSpec {
  /** For error messages and logs. */
  readonly name: string;
  /** The api key; null for data. */
  readonly key: number | null;
  /** First and last version that can be encoded and decoded. */
  readonly versions: VersionRange;
  /** From here on lengths are compact and structs have tagged sections; null: never. */
  readonly flexibleSince: number | null;
  /** Versions in `versions` that no release serves by default: neither advertise nor choose them. */
  readonly unstable: readonly number[];
}

/** One writer serves every codec: encoding never waits, so no two messages are ever in the making. */
const scratch = new Writer();

/**
 * A message of several versions. `Body` is what decoding yields, every field present; `Input` is
 * what encoding takes, where fields that have a default may be left out.
 */
export class Message<Body, Input = Body> {
  declare readonly [shape]?: { readonly out: Body; readonly in: Input };
  readonly spec: MessageSpec;
  /** The declared fields, for tests and documentation. */
  readonly members: readonly MemberNode[];
  readonly #encoders: (Encode | undefined)[] = [];
  readonly #decoders: (Decode | undefined)[] = [];

  constructor(spec: MessageSpec, members: readonly MemberNode[]) {
    this.spec = spec;
    this.members = members;
  }

  /** The message as one buffer. Byte fields of 1 KiB and more are copied: see encodeChunks. */
  encode(body: Input, version: number): Buffer {
    const encode = this.#encoder(version);
    scratch.begin();
    encode(scratch, body);
    return scratch.finishWhole();
  }

  /** The message as a list of buffers to be written in order; big byte fields are referenced. */
  encodeChunks(body: Input, version: number): Buffer[] {
    const encode = this.#encoder(version);
    scratch.begin();
    encode(scratch, body);
    return scratch.finish();
  }

  /** Appends the message to what `writer` holds. */
  encodeInto(writer: Writer, body: Input, version: number): void {
    this.#encoder(version)(writer, body);
  }

  /**
   * Reads one message that takes up all the bytes.
   * @throws MalformedMessage when they are too few, too many or impossible
   */
  decode(bytes: Buffer, version: number): Body {
    const reader = new Reader(bytes);
    const body = this.#decoder(version)(reader);
    if (reader.position !== bytes.length) {
      throw new MalformedMessage(
        `${this.spec.name} v${version}: ${reader.remaining} bytes after the end`,
      );
    }
    return body as Body;
  }

  /** Reads one message and leaves the reader behind it. */
  decodeFrom(reader: Reader, version: number): Body {
    return this.#decoder(version)(reader) as Body;
  }

  isFlexible(version: number): boolean {
    return this.spec.flexibleSince !== null && version >= this.spec.flexibleSince;
  }

  #encoder(version: number): Encode {
    return this.#encoders[version] ?? this.#compile(this.#encoders, compileEncoder, version);
  }

  #decoder(version: number): Decode {
    return this.#decoders[version] ?? this.#compile(this.#decoders, compileDecoder, version);
  }

  #compile<C>(known: (C | undefined)[], compile: Compile<C>, version: number): C {
    const { name, versions } = this.spec;
    if (!(Number.isInteger(version) && version >= versions[0] && version <= versions[1])) {
      throw new UnsupportedVersion(
        `${name} v${version}: versions ${versions[0]} to ${versions[1]} are known`,
      );
    }
    const target = { version, flexible: this.isFlexible(version) };
    const codec = compile(`${name} v${version}`, this.members, target);
    // Filled from 0 on so that the list stays a dense array.
    while (known.length < version) known.push(undefined);
    known[version] = codec;
    return codec;
  }
}

type Compile<C> = (title: string, members: readonly MemberNode[], target: Target) => C;

/** What is stored under, or embedded with, a version number of two bytes in front. */
export class DataMessage<Body, Input = Body> extends Message<Body, Input> {
  /** int16 version, then the message. */
  encodeWithVersion(body: Input, version: number): Buffer {
    scratch.begin();
    scratch.int16(version);
    this.encodeInto(scratch, body, version);
    return scratch.finishWhole();
  }

  /**
   * Reads an int16 version and the message of that version.
   * @throws UnsupportedVersion when the version is not declared
   */
  decodeWithVersion(bytes: Buffer): { readonly version: number; readonly body: Body } {
    const reader = new Reader(bytes);
    const version = reader.int16();
    const body = this.decodeFrom(reader, version);
    reader.expectEnd();
    return { version, body };
  }
}

/** A Jute record: no versions. */
export class JuteRecord<Body, Input = Body> {
  declare readonly [shape]?: { readonly out: Body; readonly in: Input };
  readonly #message: Message<Body, Input>;

  constructor(name: string, members: readonly MemberNode[]) {
    this.#message = new Message<Body, Input>(
      { name, key: null, versions: [0, 0], flexibleSince: null, unstable: [] },
      members,
    );
  }

  encode(body: Input): Buffer {
    return this.#message.encode(body, 0);
  }

  encodeChunks(body: Input): Buffer[] {
    return this.#message.encodeChunks(body, 0);
  }

  encodeInto(writer: Writer, body: Input): void {
    this.#message.encodeInto(writer, body, 0);
  }

  decode(bytes: Buffer): Body {
    return this.#message.decode(bytes, 0);
  }

  decodeFrom(reader: Reader): Body {
    return this.#message.decodeFrom(reader, 0);
  }
}

/** What decoding yields. */
export type BodyOf<M> = M extends { readonly [shape]?: { readonly out: infer Body } }
  ? Body
  : never;
/** What encoding accepts. */
export type InputOf<M> = M extends { readonly [shape]?: { readonly in: infer In } } ? In : never;

interface ApiOptions {
  readonly key: number;
  readonly name: string;
  readonly versions: VersionRange;
  readonly flexibleSince: number | null;
  readonly unstable?: readonly number[];
}

/** Declares a request kind; `.message` is called once for the request and once for the response. */
export function api({ key, name, versions, flexibleSince, unstable = [] }: ApiOptions) {
  const spec: MessageSpec = { name, key, versions, flexibleSince, unstable };
  return {
    message<F extends Fields>(fields: F): Message<BodyOfFields<F>, InputOfFields<F>> {
      return new Message(spec, membersOf(fields));
    },
  };
}

interface DataOptions {
  readonly name: string;
  readonly versions: VersionRange;
  readonly flexibleSince: number | null;
}

/** Declares data that is stored in topics or embedded in other messages. */
export function data<F extends Fields>(
  { name, versions, flexibleSince }: DataOptions,
  fields: F,
): DataMessage<BodyOfFields<F>, InputOfFields<F>> {
  const spec: MessageSpec = { name, key: null, versions, flexibleSince, unstable: [] };
  return new DataMessage(spec, membersOf(fields));
}

/** Declares a Jute record. */
export function record<F extends Fields>(
  name: string,
  fields: F,
): JuteRecord<BodyOfFields<F>, InputOfFields<F>> {
  return new JuteRecord(name, membersOf(fields));
}
