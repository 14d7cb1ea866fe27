/**
 * A few words of WebAssembly, for loops that JavaScript runs several times slower than a processor could: functions are
 * put together from expressions when they are first wanted, so there is no compiler to install and no binary to keep.
 *
 * An expression is the bytes of its instructions. Only what block-decoders.ts needs is here: numbers of 32 bits, unsigned
 * where that matters, one memory, structured control.
 * @see https://webassembly.github.io/spec/core/binary/
 */
export type Code = readonly number[];

const binary =
  (opcode: number) =>
  (left: Code, right: Code): Code => [...left, ...right, opcode];

export const equal = binary(0x46);
export const less = binary(0x49);
export const more = binary(0x4b);
export const atLeast = binary(0x4f);
export const plus = binary(0x6a);
export const minus = binary(0x6b);
export const and = binary(0x71);
export const or = binary(0x72);
export const shiftLeft = binary(0x74);
export const shiftRight = binary(0x76);

export const number = (value: number): Code => [0x41, ...signedLeb(value)];
/** Both are computed. */
export const choose = (condition: Code, yes: Code, no: Code): Code => [
  ...yes,
  ...no,
  ...condition,
  0x1b,
];

/** No alignment is promised, and no offset added. */
const PLAIN = [0x00, 0x00] as const;
export const byteAt = (at: Code): Code => [...at, 0x2d, ...PLAIN];
export const uint16At = (at: Code): Code => [...at, 0x2f, ...PLAIN];
export const uint32At = (at: Code): Code => [...at, 0x28, ...PLAIN];
export const copyByte = (to: Code, from: Code): Code => [...to, ...byteAt(from), 0x3a, ...PLAIN];
export const copy8 = (to: Code, from: Code): Code => [
  ...to,
  ...from,
  0x29,
  ...PLAIN,
  0x37,
  ...PLAIN,
];
export const copy16 = (to: Code, from: Code): Code => [
  ...to,
  ...from,
  ...[0xfd, 0x00, ...PLAIN],
  ...[0xfd, 0x0b, ...PLAIN],
];

const NO_RESULT = 0x40;
const END = 0x0b;
export const when = (condition: Code, then: Code, otherwise: Code = []): Code => [
  ...[...condition, 0x04, NO_RESULT, ...then],
  ...(otherwise.length > 0 ? [0x05, ...otherwise] : []),
  END,
];
/** Until `give` leaves the function. */
export const forever = (body: Code): Code => [0x03, NO_RESULT, ...body, 0x0c, 0x00, END, 0x00];
export const during = (condition: Code, body: Code): Code => [
  ...[0x03, NO_RESULT],
  ...[...condition, 0x04, NO_RESULT, ...body, 0x0c, 0x01, END],
  END,
];
/** At least once. */
export const repeatWhile = (body: Code, condition: Code): Code => [
  ...[0x03, NO_RESULT, ...body, ...condition, 0x0d, 0x00],
  END,
];
export const give = (value: Code): Code => [...value, 0x0f];

/** A parameter or a local of the function: its value, and what gives it another. */
export interface Variable {
  readonly value: Code;
  to(value: Code): Code;
}

function variable(index: number): Variable {
  return { value: [0x20, index], to: (value) => [...value, 0x21, index] };
}

export interface WasmFunction {
  readonly name: string;
  readonly parameterCount: number;
  readonly localCount: number;
  readonly body: Code;
}

/**
 * A function of 32-bit integers that gives one.
 * @param build is given one variable for each parameter and each local, in this order; must end with `give` or `forever`
 */
export function wasmFunction(
  name: string,
  parameterCount: number,
  localCount: number,
  build: (variables: (index: number) => Variable) => Code,
): WasmFunction {
  return { name, parameterCount, localCount, body: build(variable) };
}

/** What is used here of an interface that Node has, but not in its types. */
interface WebAssemblyOfNode {
  Memory: new (options: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
}

declare const WebAssembly: WebAssemblyOfNode;

export interface WasmInstance {
  readonly memory: Buffer;
  readonly functions: Readonly<Record<string, (...values: number[]) => number>>;
}

const PAGE_BYTES = 64 * 1024;

/** Functions that share one memory of a fixed size. */
export function instantiate(functions: readonly WasmFunction[], sizeBytes: number): WasmInstance {
  const { Memory, Module, Instance } = WebAssembly;
  const pages = Math.ceil(sizeBytes / PAGE_BYTES);
  const memory = new Memory({ initial: pages, maximum: pages });
  const instance = new Instance(new Module(moduleOf(functions, pages)), { e: { m: memory } });
  return {
    memory: Buffer.from(memory.buffer),
    functions: instance.exports as WasmInstance['functions'],
  };
}

const I32 = 0x7f;
const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

function moduleOf(functions: readonly WasmFunction[], pages: number): Uint8Array {
  const types = functions.map(({ parameterCount }) => [
    ...[0x60, ...vector(new Array<Code>(parameterCount).fill([I32]))],
    ...[0x01, I32],
  ]);
  const memory = [...text('e'), ...text('m'), 0x02, 0x01, ...leb(pages), ...leb(pages)];
  const bodies = functions.map(({ localCount, body }) =>
    sized([...[0x01, ...leb(localCount), I32], ...body, END]),
  );
  const exports = functions.map(({ name }, index) => [...text(name), 0x00, ...leb(index)]);
  return Uint8Array.from([
    ...HEADER,
    ...section(1, types),
    ...section(2, [memory]),
    ...section(
      3,
      functions.map((_, index) => leb(index)),
    ),
    ...section(7, exports),
    ...section(10, bodies),
  ]);
}

const section = (id: number, items: readonly Code[]): Code => [id, ...sized(vector(items))];
const vector = (items: readonly Code[]): Code => [...leb(items.length), ...items.flat()];
const sized = (bytes: Code): Code => [...leb(bytes.length), ...bytes];
const text = (value: string): Code => sized([...Buffer.from(value)]);

function leb(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

function signedLeb(value: number): Code {
  const isLast = value >= -0x40 && value < 0x40;
  return isLast ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signedLeb(value >> 7)];
}
