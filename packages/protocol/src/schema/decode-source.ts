/**
 * Writes the source of a decoder. The reader's buffer and position live in the locals `b`, `p` and
 * `end`; neighbouring fields of fixed size share one check for their bytes. A count is compared
 * with the bytes that are left before anything is built for it.
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
  maxSize,
  minSize,
  prefixSize,
  type Source,
  type Target,
} from './source.ts';

/** The body of `function (r)`. */
export function writeDecoder(source: Source, members: readonly MemberNode[], target: Target): void {
  source.add('const b = r.buffer, end = r.end;');
  source.add('let p = r.position;');
  const decoder = new DecoderSource(source, target);
  const body = decoder.members(members, 'kafka', '');
  decoder.endRun();
  source.add('r.position = p;');
  source.add(`return ${body};`);
}

class DecoderSource {
  readonly #source: Source;
  readonly #target: Target;
  /** The open line for the check of the current run of fixed-size fields, or -1. */
  #runLine = -1;
  #runBytes = 0;
  #runPath = '';

  constructor(source: Source, target: Target) {
    this.#source = source;
    this.#target = target;
  }

  /** Emits the reading of all members and returns the object literal for them. */
  members(members: readonly MemberNode[], form: StructNode['form'], path: string): string {
    const tags: { readonly member: MemberNode; readonly name: string }[] = [];
    const values = members.map((member) => {
      const key = JSON.stringify(member.name);
      if (!within(member.versions, this.#target.version)) {
        return `${key}: ${this.#source.literal(member.fallback)}`;
      }
      if (member.tag === null) {
        return `${key}: ${this.#value(member.type, path + member.name, false)}`;
      }
      const name = this.#source.fresh();
      tags.push({ member, name });
      return `${key}: ${name}`;
    });
    if (isCompact(form, this.#target)) this.#tagged(tags, path);
    return `{ ${values.join(', ')} }`;
  }

  #tagged(
    tags: readonly { readonly member: MemberNode; readonly name: string }[],
    path: string,
  ): void {
    const source = this.#source;
    for (const { member, name } of tags) {
      source.add(`let ${name} = ${source.literal(member.fallback)};`);
    }
    const [count, tag, last, stop] = [
      source.fresh(),
      source.fresh(),
      source.fresh(),
      source.fresh(),
    ];
    source.add(`let ${count} = b[${this.#take(1, path)}];`);
    this.endRun();
    source.add(`if (${count} !== 0) {`);
    source.add(`r.position = p - 1; ${count} = r.uvarint();`);
    source.add(`let ${last} = -1;`);
    source.add(`for (; ${count} > 0; ${count}--) {`);
    source.add(`const ${tag} = r.uvarint();`);
    source.add(`const ${stop} = r.uvarint() + r.position;`);
    source.add(`p = r.position;`);
    source.add(`if (${tag} <= ${last}) malformed(${JSON.stringify(`${path}tags`)}, p);`);
    source.add(`if (${stop} > end) short(${JSON.stringify(`${path}tags`)}, p);`);
    source.add(`${last} = ${tag};`);
    source.add(`switch (${tag}) {`);
    for (const { member, name } of tags) {
      source.add(`case ${member.tag}: {`);
      const value = this.#value(member.type, path + member.name, true);
      this.endRun();
      source.add(`${name} = ${value};`);
      source.add(`if (p !== ${stop}) malformed(${JSON.stringify(path + member.name)}, p);`);
      source.add('break;');
      source.add('}');
    }
    source.add('}');
    source.add(`p = ${stop}; r.position = p;`); // An unknown tag is skipped by its size.
    source.add('}');
    source.add('}');
  }

  /** Emits the reading of a value and returns an expression for it, free of side effects. */
  #value(node: TypeNode, path: string, asTag: boolean): string {
    switch (node.kind) {
      case 'string':
        return this.#sized(node, path, (size) => `readText(b, p, ${size})`);
      case 'bytes':
      case 'records':
        return this.#sized(node, path, (size) => `b.subarray(p, p + ${size})`);
      case 'array':
        return this.#array(node, path);
      case 'struct':
        return this.#struct(node, path, asTag);
      default:
        return this.#fixed(node.kind, path);
    }
  }

  #fixed(kind: FixedKind, path: string): string {
    const value = this.#source.fresh();
    const at = this.#takeOffset(FIXED_SIZE_BYTES[kind], path);
    this.#source.add(`const ${value} = ${fixedExpression(kind, at)};`);
    if (kind === 'int64') {
      this.#source.add(
        `if (${value} > 9007199254740991 || ${value} < -9007199254740991) far(${JSON.stringify(path)}, p);`,
      );
    }
    return value;
  }

  /** Strings and bytes: a length, then as many bytes. */
  #sized(node: StringNode | BytesNode, path: string, read: (size: string) => string): string {
    const source = this.#source;
    const value = source.fresh();
    const size = this.#length(node, path);
    source.add(`let ${value} = null;`);
    source.add(`if (${size} >= 0) {`);
    const max = maxSize(node);
    if (max < 0x7fffffff) {
      source.add(`if (${size} > ${max}) malformed(${JSON.stringify(path)}, p);`);
    }
    source.add(`if (${size} > end - p) short(${JSON.stringify(path)}, p);`);
    source.add(`${value} = ${read(size)}; p += ${size};`);
    source.add('}');
    this.#elseNull(node, size, path);
    return value;
  }

  #array(node: ArrayNode, path: string): string {
    const source = this.#source;
    const value = source.fresh();
    const count = this.#length(node, path);
    const left = source.fresh();
    const least = minSize(node.element, this.#target);
    if (least === 0) throw new TypeError(`an element of ${path} may take no byte at all`);
    source.add(`let ${value} = null;`);
    source.add(`if (${count} >= 0) {`);
    source.add(`if (${count} * ${least} > end - p) short(${JSON.stringify(path)}, p);`);
    source.add(`${value} = [];`);
    source.add(`for (let ${left} = ${count}; ${left} > 0; ${left}--) {`);
    const element = this.#value(node.element, `${path}[]`, false);
    this.endRun();
    source.add(`${value}.push(${element});`);
    source.add('}');
    source.add('}');
    this.#elseNull(node, count, path);
    return value;
  }

  #struct(node: StructNode, path: string, asTag: boolean): string {
    if (!allowsNull(node.nullable, this.#target)) {
      return this.members(node.members, node.form, `${path}.`);
    }
    const source = this.#source;
    const [value, there] = [source.fresh(), source.fresh()];
    source.add(`const ${there} = b[${this.#take(1, path)}];`);
    this.endRun();
    source.add(`let ${value} = null;`);
    source.add(`if (${there} === 1) {`);
    const body = this.members(node.members, node.form, `${path}.`);
    this.endRun();
    source.add(`${value} = ${body};`);
    source.add(
      `} else if (${there} !== ${asTag ? 0 : 255}) malformed(${JSON.stringify(path)}, p);`,
    );
    return value;
  }

  /** Emits the reading of a length or count into a variable: -1 for null. */
  #length(node: StringNode | BytesNode | ArrayNode, path: string): string {
    const source = this.#source;
    const length = source.fresh();
    const size = prefixSize(node, this.#target);
    const at = this.#takeOffset(size, path);
    if (!isCompact(node.form, this.#target)) {
      source.add(`const ${length} = ${fixedExpression(size === 2 ? 'int16' : 'int32', at)};`);
      this.endRun();
      return length;
    }
    source.add(`let ${length} = b[${index(at)}];`);
    this.endRun();
    source.add(
      `if (${length} > 127) { r.position = p - 1; ${length} = r.uvarint(); p = r.position; }`,
    );
    source.add(`${length}--;`);
    return length;
  }

  /** Closes the branch for lengths of 0 and more: -1 is null where that is allowed. */
  #elseNull(node: StringNode | BytesNode | ArrayNode, length: string, path: string): void {
    const bad = `malformed(${JSON.stringify(path)}, p)`;
    const nullable = allowsNull(node.nullable, this.#target);
    this.#source.add(nullable ? `else if (${length} !== -1) ${bad};` : `else ${bad};`);
  }

  #take(sizeBytes: number, path: string): string {
    return index(this.#takeOffset(sizeBytes, path));
  }

  #takeOffset(sizeBytes: number, path: string): number {
    if (this.#runLine === -1) {
      this.#runLine = this.#source.addOpen();
      this.#runPath = path;
    }
    const offset = this.#runBytes;
    this.#runBytes += sizeBytes;
    return offset;
  }

  /** Before a branch or a value of unknown size: settles the check and the position so far. */
  endRun(): void {
    if (this.#runLine === -1) return;
    this.#source.fill(
      this.#runLine,
      `if (end - p < ${this.#runBytes}) short(${JSON.stringify(this.#runPath)}, p);`,
    );
    this.#source.add(`p += ${this.#runBytes};`);
    this.#runLine = -1;
    this.#runBytes = 0;
  }
}

/** Reads a fixed-size value at `p + at`. */
function fixedExpression(kind: FixedKind, at: number): string {
  const byte = (distance: number, shift: number) =>
    shift === 0 ? `b[${index(at + distance)}]` : `b[${index(at + distance)}] << ${shift}`;
  const word = (distance: number) =>
    `(${[24, 16, 8, 0].map((shift, n) => byte(distance + n, shift)).join(' | ')})`;
  switch (kind) {
    case 'bool':
      return `${byte(0, 0)} !== 0`;
    case 'int8':
      return `${byte(0, 24)} >> 24`;
    case 'int16':
      return `(${byte(0, 24)} | ${byte(1, 16)}) >> 16`;
    case 'uint16':
      return `(${byte(0, 8)} | ${byte(1, 0)})`;
    case 'int32':
      return word(0);
    case 'uint32':
      return `${word(0)} >>> 0`;
    case 'int64':
      return `${word(0)} * 4294967296 + (${word(4)} >>> 0)`;
    case 'bigint64':
      return `readBigint64(b, ${index(at)})`;
    case 'float64':
      return `b.readDoubleBE(${index(at)})`;
    case 'uuid':
      return `readUuid(b, ${index(at)})`;
  }
}
