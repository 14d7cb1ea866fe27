/**
 * Writes the source of an encoder. The writer's buffer and position live in the locals `b`, `p`
 * and `cap`; neighbouring fields of fixed size share one check for room, and are stored at fixed
 * distances from `p`. Values are checked on their way: nothing is truncated silently.
 */
import type {
  ArrayNode,
  BytesNode,
  FixedKind,
  MemberNode,
  StringNode,
  StructNode,
  TypeNode,
} from './node.ts';
import { FIXED_SIZE_BYTES, within } from './node.ts';
import {
  allowsNull,
  index,
  isCompact,
  isDefault,
  maxSize,
  type Source,
  type Target,
} from './source.ts';

/** Takes the writer's state back after it did something by itself. */
const SYNC = 'b = w.buffer; p = w.position; cap = b.length;';

/** The body of `function (w, m)`. */
export function writeEncoder(source: Source, members: readonly MemberNode[], target: Target): void {
  source.add('let b = w.buffer, p = w.position, cap = b.length;');
  const encoder = new EncoderSource(source, target);
  encoder.members(members, 'm', 'kafka', '');
  encoder.endRun();
  source.add('w.position = p;');
}

class EncoderSource {
  readonly #source: Source;
  readonly #target: Target;
  /** The open line for the check of the current run of fixed-size fields, or -1. */
  #runLine = -1;
  #runBytes = 0;
  /** Inside a tagged field the size is put in front afterwards, so nothing may be referenced. */
  #inTag = false;

  constructor(source: Source, target: Target) {
    this.#source = source;
    this.#target = target;
  }

  members(
    members: readonly MemberNode[],
    object: string,
    form: StructNode['form'],
    path: string,
  ): void {
    const tags: MemberNode[] = [];
    for (const member of members) {
      const present = within(member.versions, this.#target.version);
      if (!present) this.#absent(member, object, path + member.name);
      else if (member.tag !== null) tags.push(member);
      else this.#present(member, object, path + member.name);
    }
    if (isCompact(form, this.#target)) this.#tagged(tags, object, path);
  }

  #present(member: MemberNode, object: string, path: string): void {
    const value = this.#source.fresh();
    const given = `${object}[${JSON.stringify(member.name)}]`;
    if (member.fallback === undefined) this.#source.add(`const ${value} = ${given};`);
    else {
      this.#source.add(`let ${value} = ${given};`);
      const fallback = this.#source.literal(member.fallback);
      this.#source.add(`if (${value} === undefined) ${value} = ${fallback};`);
    }
    this.#value(member.type, value, path, false);
  }

  #absent({ name, type, fallback, ignorable }: MemberNode, object: string, path: string): void {
    if (ignorable || fallback === undefined) return;
    const value = this.#source.fresh();
    this.#source.add(`const ${value} = ${object}[${JSON.stringify(name)}];`);
    this.#source.add(
      `if (${value} !== undefined && !(${isDefault(type, value, fallback)})) lacks(${JSON.stringify(path)}, ${value});`,
    );
  }

  #tagged(members: readonly MemberNode[], object: string, path: string): void {
    const source = this.#source;
    if (members.length === 0) {
      source.add(`b[${this.#take(1)}] = 0;`);
      return;
    }
    const ordered = members.toSorted((one, other) => (one.tag ?? 0) - (other.tag ?? 0));
    const fields = ordered.map((member) => {
      const value = source.fresh();
      const sent = source.fresh();
      source.add(`const ${value} = ${object}[${JSON.stringify(member.name)}];`);
      const test = isDefault(member.type, value, member.fallback);
      const unlessDefault = member.explicit ? '' : ` && !(${test})`;
      source.add(`const ${sent} = ${value} !== undefined${unlessDefault};`);
      return { member, value, sent };
    });
    // A tag or a count of tags above 127 would need a second byte; Kafka has none.
    const count = fields.map(({ sent }) => `(${sent} ? 1 : 0)`).join(' + ');
    source.add(`b[${this.#take(1)}] = ${count};`);
    this.endRun();
    const outer = this.#inTag;
    this.#inTag = true;
    for (const { member, value, sent } of fields) {
      const mark = source.fresh();
      source.add(`if (${sent}) {`);
      source.add(`b[${this.#take(1)}] = ${member.tag};`);
      this.#take(1);
      this.endRun();
      source.add(`const ${mark} = p - 1 - w.start;`);
      this.#value(member.type, value, path + member.name, true);
      this.endRun();
      source.add(`w.position = p; w.prefixSize(${mark}); ${SYNC}`);
      source.add('}');
    }
    this.#inTag = outer;
  }

  #value(node: TypeNode, value: string, path: string, asTag: boolean): void {
    switch (node.kind) {
      case 'string':
        this.#string(node, value, path);
        return;
      case 'bytes':
      case 'records':
        this.#bytes(node, value, path);
        return;
      case 'array':
        this.#array(node, value, path);
        return;
      case 'struct':
        this.#struct(node, value, path, asTag);
        return;
      default:
        this.#fixed(node.kind, value, path);
        return;
    }
  }

  #fixed(kind: FixedKind, value: string, path: string): void {
    const source = this.#source;
    const bad = `bad(${JSON.stringify(path)}, ${JSON.stringify(kind)}, ${value})`;
    const at = this.#takeOffset(FIXED_SIZE_BYTES[kind]);
    switch (kind) {
      case 'bool':
        source.add(`b[${index(at)}] = ${value} === true ? 1 : ${value} === false ? 0 : ${bad};`);
        return;
      case 'int8':
        source.add(`if (${value} << 24 >> 24 !== ${value}) ${bad};`);
        source.add(`b[${index(at)}] = ${value};`);
        return;
      case 'int16':
        source.add(`if (${value} << 16 >> 16 !== ${value}) ${bad};`);
        this.#store(value, 2, at);
        return;
      case 'uint16':
        source.add(`if ((${value} & 65535) !== ${value}) ${bad};`);
        this.#store(value, 2, at);
        return;
      case 'int32':
        source.add(`if ((${value} | 0) !== ${value}) ${bad};`);
        this.#store(value, 4, at);
        return;
      case 'uint32':
        source.add(`if (${value} >>> 0 !== ${value}) ${bad};`);
        this.#store(value, 4, at);
        return;
      case 'int64': {
        const low = source.fresh();
        const high = source.fresh();
        source.add(`if (!Number.isSafeInteger(${value})) ${bad};`);
        source.add(`const ${low} = ${value} >>> 0;`);
        source.add(`const ${high} = (${value} - ${low}) / 4294967296;`);
        this.#store(high, 4, at);
        this.#store(low, 4, at + 4);
        return;
      }
      case 'bigint64':
        source.add(
          `if (typeof ${value} !== 'bigint' || !writeBigint64(w, ${index(at)}, ${value})) ${bad};`,
        );
        return;
      case 'float64':
        source.add(`if (typeof ${value} !== 'number') ${bad};`);
        source.add(`b.writeDoubleBE(${value}, ${index(at)});`);
        return;
      case 'uuid':
        source.add(
          `if (typeof ${value} !== 'string' || !writeUuid(b, ${index(at)}, ${value})) ${bad};`,
        );
        return;
    }
  }

  #string(node: StringNode, value: string, path: string): void {
    const method = isCompact(node.form, this.#target)
      ? 'compactString'
      : node.form === 'jute'
        ? 'juteString'
        : 'classicString';
    this.#nullable(node, value, () => {
      const bad = `bad(${JSON.stringify(path)}, 'string', ${value})`;
      this.#source.add(`if (typeof ${value} !== 'string') ${bad};`);
      this.endRun();
      this.#source.add(`w.position = p; w.${method}(${value}); ${SYNC}`);
    });
  }

  #bytes(node: BytesNode, value: string, path: string): void {
    const source = this.#source;
    const add = this.#inTag ? 'copy' : 'bytes';
    const bad = `bad(${JSON.stringify(path)}, ${JSON.stringify(node.kind)}, ${value})`;
    const one = () => {
      source.add(`if (!isBuffer(${value})) ${bad};`);
      this.#length(node, `${value}.length`, path);
      this.endRun();
      source.add(`w.position = p; w.${add}(${value}); ${SYNC}`);
    };
    this.#nullable(node, value, () => {
      if (node.kind === 'bytes') {
        one();
        return;
      }
      this.endRun();
      const total = source.fresh();
      source.add(`if (Array.isArray(${value})) {`);
      source.add(`const ${total} = totalSize(${value});`);
      source.add(`if (${total} < 0) ${bad};`);
      this.#length(node, total, path);
      this.endRun();
      source.add(`w.position = p; for (const part of ${value}) w.${add}(part); ${SYNC}`);
      source.add('} else {');
      one();
      source.add('}');
    });
  }

  #array(node: ArrayNode, value: string, path: string): void {
    const source = this.#source;
    const { element } = node;
    const elementPath = `${path}[]`;
    this.#nullable(node, value, () => {
      const count = source.fresh();
      const at = source.fresh();
      const item = source.fresh();
      source.add(`if (!Array.isArray(${value})) bad(${JSON.stringify(path)}, 'array', ${value});`);
      source.add(`const ${count} = ${value}.length;`);
      this.#length(node, count, path);
      this.endRun();
      source.add(`for (let ${at} = 0; ${at} < ${count}; ${at}++) {`);
      source.add(`const ${item} = ${value}[${at}];`);
      this.#value(element, item, elementPath, false);
      this.endRun();
      source.add('}');
    });
  }

  #struct(node: StructNode, value: string, path: string, asTag: boolean): void {
    const source = this.#source;
    const inside = path === '' ? '' : `${path}.`;
    if (!allowsNull(node.nullable, this.#target)) {
      source.add(`if (${value} == null) bad(${JSON.stringify(path)}, 'struct', ${value});`);
      this.members(node.members, value, node.form, inside);
      return;
    }
    this.endRun();
    source.add(`if (${value} === null) {`);
    source.add(`b[${this.#take(1)}] = ${asTag ? 0 : 255};`);
    this.endRun();
    source.add('} else {');
    source.add(`b[${this.#take(1)}] = 1;`);
    this.members(node.members, value, node.form, inside);
    this.endRun();
    source.add('}');
  }

  /** Writes null, where it is allowed, as a length of -1 (0 when compact). */
  #nullable(node: StringNode | BytesNode | ArrayNode, value: string, present: () => void): void {
    if (!allowsNull(node.nullable, this.#target)) {
      present();
      return;
    }
    this.endRun();
    this.#source.add(`if (${value} === null) {`);
    if (isCompact(node.form, this.#target)) this.#source.add(`b[${this.#take(1)}] = 0;`);
    else {
      const size = node.kind === 'string' && node.form !== 'jute' ? 2 : 4;
      this.#store('-1', size, this.#takeOffset(size));
    }
    this.endRun();
    this.#source.add('} else {');
    present();
    this.endRun();
    this.#source.add('}');
  }

  /** The length or count in front of bytes and arrays. */
  #length(node: BytesNode | ArrayNode, length: string, path: string): void {
    const source = this.#source;
    source.add(
      `if (${length} > ${maxSize(node) - 1}) bad(${JSON.stringify(path)}, 'length', ${length});`,
    );
    if (!isCompact(node.form, this.#target)) {
      this.#store(length, 4, this.#takeOffset(4));
      return;
    }
    this.endRun();
    source.add(`if (${length} < 127) {`);
    source.add(`b[${this.#take(1)}] = ${length} + 1;`);
    this.endRun();
    source.add(`} else { w.position = p; w.uvarint(${length} + 1); ${SYNC} }`);
  }

  /** Stores the low bytes of a number, high byte first. */
  #store(value: string, sizeBytes: number, offset: number): void {
    const stores = Array.from({ length: sizeBytes }, (_, at) => {
      const shift = 8 * (sizeBytes - 1 - at);
      return `b[${index(offset + at)}] = ${shift === 0 ? value : `${value} >> ${shift}`};`;
    });
    this.#source.add(stores.join(' '));
  }

  /** Claims the next bytes for a fixed-size field and returns their index expression. */
  #take(sizeBytes: number): string {
    return index(this.#takeOffset(sizeBytes));
  }

  #takeOffset(sizeBytes: number): number {
    if (this.#runLine === -1) this.#runLine = this.#source.addOpen();
    const offset = this.#runBytes;
    this.#runBytes += sizeBytes;
    return offset;
  }

  /** Before a branch or a value of unknown size: settles the room and the position so far. */
  endRun(): void {
    if (this.#runLine === -1) return;
    const size = this.#runBytes;
    this.#source.fill(
      this.#runLine,
      `if (cap - p < ${size}) { w.position = p; w.reserve(${size}); ${SYNC} }`,
    );
    this.#source.add(`p += ${size};`);
    this.#runLine = -1;
    this.#runBytes = 0;
  }
}
