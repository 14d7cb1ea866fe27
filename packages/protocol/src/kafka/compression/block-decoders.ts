/**
 * The insides of lz4's and snappy's formats, one block at a time, in memory that is used again.
 *
 * The libraries give new memory for each block, which the garbage collector has to be started for, and which is far away
 * from the processor. Here a block is copied in (it is the smaller side), unfolded next to it, looked through where it
 * lies, and overwritten by the next one. The loops are WebAssembly: copies are made 16 bytes at a time and may go too far by
 * fewer than 16, into what comes next or into `SLACK_BYTES`; nothing is read or written outside of this memory, whatever
 * a block says.
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 * @see https://github.com/google/snappy/blob/main/format_description.txt
 */
import { DecompressionLimitExceeded, LENT_BYTES_MAX } from './limit.ts';
import {
  and,
  atLeast,
  byteAt,
  type Code,
  choose,
  copy8,
  copy16,
  copyByte,
  during,
  equal,
  forever,
  give,
  instantiate,
  less,
  minus,
  more,
  number,
  or,
  plus,
  repeatWhile,
  shiftLeft,
  shiftRight,
  uint16At,
  uint32At,
  type Variable,
  type WasmInstance,
  wasmFunction,
  when,
} from './wasm-code.ts';

/** The most that one call can take, and the most that all of them together can give. */
const BLOCK_ROOM_BYTES = LENT_BYTES_MAX;
const SLACK_BYTES = 64;
const OUTPUT_AT = BLOCK_ROOM_BYTES + SLACK_BYTES;

/** In place of a size: the block says what cannot be; more would come out than there is room for. */
export const MALFORMED = -1;
export const TOO_LARGE = -2;

/** Moves `at` and `to` on by `length` and brings the bytes along. */
function copyAcross(to: Variable, at: Variable, length: Variable, end: Variable): Code {
  return [
    ...copy16(to.value, at.value),
    ...end.to(plus(to.value, length.value)),
    ...when(
      more(length.value, number(16)),
      repeatWhile(
        [
          ...to.to(plus(to.value, number(16))),
          ...at.to(plus(at.value, number(16))),
          ...copy16(to.value, at.value),
        ],
        less(plus(to.value, number(16)), end.value),
      ),
    ),
    ...at.to(plus(at.value, minus(end.value, to.value))),
    ...to.to(end.value),
  ];
}

/** What a distance below 8 lacks to its multiple that is 8 or just above: 7 for 1, 6 for 2 and 3, ... */
const TO_EIGHT = 0x76546670;

/** Moves `to` on by `length`, each byte being what lies `distance` before it. `distance` is not kept. */
function repeatBack(to: Variable, distance: Variable, length: Variable, end: Variable): Code {
  const back = minus(to.value, distance.value);
  return [
    ...end.to(plus(to.value, length.value)),
    ...when(
      atLeast(distance.value, number(16)),
      repeatWhile(
        [...copy16(to.value, back), ...to.to(plus(to.value, number(16)))],
        less(to.value, end.value),
      ),
      [
        // Eight single bytes; from then on the same bytes lie eight or more before as well.
        ...when(less(distance.value, number(8)), [
          ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((index) =>
            copyByte(plus(to.value, number(index)), plus(back, number(index))),
          ),
          ...to.to(plus(to.value, number(8))),
          ...distance.to(
            plus(
              distance.value,
              and(shiftRight(number(TO_EIGHT), shiftLeft(distance.value, number(2))), number(15)),
            ),
          ),
        ]),
        ...during(less(to.value, end.value), [
          ...copy8(to.value, back),
          ...to.to(plus(to.value, number(8))),
        ]),
      ],
    ),
    ...to.to(end.value),
  ];
}

const malformedWhen = (condition: Code): Code => when(condition, give(number(MALFORMED)));
const tooLargeWhen = (condition: Code): Code => when(condition, give(number(TOO_LARGE)));

/** `(at, atEnd, to, toEnd)`: unfolds the block between the first two. @returns its size, or what is wrong */
const lz4Block = wasmFunction('lz4', 4, 6, (variables) => {
  const [at, atEnd, to, toEnd] = [variables(0), variables(1), variables(2), variables(3)];
  const [start, token, length, distance, end, byte] = [
    variables(4),
    variables(5),
    variables(6),
    variables(7),
    variables(8),
    variables(9),
  ];
  const longer: Code = when(
    equal(length.value, number(15)),
    repeatWhile(
      [
        ...malformedWhen(atLeast(at.value, atEnd.value)),
        ...byte.to(byteAt(at.value)),
        ...at.to(plus(at.value, number(1))),
        ...length.to(plus(length.value, byte.value)),
      ],
      equal(byte.value, number(255)),
    ),
  );
  return [
    ...start.to(to.value),
    ...forever([
      ...malformedWhen(atLeast(at.value, atEnd.value)),
      ...token.to(byteAt(at.value)),
      ...at.to(plus(at.value, number(1))),
      ...length.to(shiftRight(token.value, number(4))),
      ...longer,
      ...malformedWhen(more(length.value, minus(atEnd.value, at.value))),
      ...tooLargeWhen(more(length.value, minus(toEnd.value, to.value))),
      ...copyAcross(to, at, length, end),
      // The last sequence has no match.
      ...when(equal(at.value, atEnd.value), give(minus(to.value, start.value))),
      ...malformedWhen(less(minus(atEnd.value, at.value), number(2))),
      ...distance.to(uint16At(at.value)),
      ...at.to(plus(at.value, number(2))),
      ...length.to(and(token.value, number(15))),
      ...longer,
      ...length.to(plus(length.value, number(4))),
      ...malformedWhen(atLeast(minus(distance.value, number(1)), minus(to.value, start.value))),
      ...tooLargeWhen(more(length.value, minus(toEnd.value, to.value))),
      ...repeatBack(to, distance, length, end),
    ]),
  ];
});

/** `(at, atEnd, to, toEnd)`, of a raw block without the size in front. @returns its size, or what is wrong */
const snappyBlock = wasmFunction('snappy', 4, 5, (variables) => {
  const [at, atEnd, to, toEnd] = [variables(0), variables(1), variables(2), variables(3)];
  const [start, tag, length, distance, end] = [
    variables(4),
    variables(5),
    variables(6),
    variables(7),
    variables(8),
  ];
  const size = shiftRight(tag.value, number(2));
  const literal: Code = [
    ...length.to(size),
    ...when(atLeast(length.value, number(60)), [
      ...distance.to(minus(length.value, number(59))), // Bytes of the length that follow: 1 to 4.
      ...malformedWhen(more(distance.value, minus(atEnd.value, at.value))),
      ...length.to(
        and(
          uint32At(at.value),
          shiftRight(number(-1), minus(number(32), shiftLeft(distance.value, number(3)))),
        ),
      ),
      ...at.to(plus(at.value, distance.value)),
    ]),
    ...malformedWhen(atLeast(length.value, minus(atEnd.value, at.value))),
    ...tooLargeWhen(atLeast(length.value, minus(toEnd.value, to.value))),
    ...length.to(plus(length.value, number(1))),
    ...copyAcross(to, at, length, end),
  ];
  const isLonger = and(tag.value, number(2));
  const copy: Code = [
    ...length.to(choose(isLonger, plus(size, number(1)), plus(and(size, number(7)), number(4)))),
    ...when(
      equal(and(tag.value, number(3)), number(3)),
      [...distance.to(uint32At(at.value)), ...at.to(plus(at.value, number(4)))],
      [
        // No branch between the two usual kinds: which one comes next cannot be foreseen.
        ...distance.to(
          choose(
            isLonger,
            uint16At(at.value),
            or(shiftLeft(and(tag.value, number(0xe0)), number(3)), byteAt(at.value)),
          ),
        ),
        ...at.to(plus(at.value, and(tag.value, number(3)))),
      ],
    ),
    ...malformedWhen(more(at.value, atEnd.value)),
    ...malformedWhen(atLeast(minus(distance.value, number(1)), minus(to.value, start.value))),
    ...tooLargeWhen(more(length.value, minus(toEnd.value, to.value))),
    ...repeatBack(to, distance, length, end),
  ];
  return [
    ...start.to(to.value),
    ...during(less(at.value, atEnd.value), [
      ...tag.to(byteAt(at.value)),
      ...at.to(plus(at.value, number(1))),
      ...when(equal(and(tag.value, number(3)), number(0)), literal, copy),
    ]),
    ...give(minus(to.value, start.value)),
  ];
});

let decoders: WasmInstance | null = null;

function loaded(): WasmInstance {
  decoders ??= instantiate([lz4Block, snappyBlock], OUTPUT_AT + BLOCK_ROOM_BYTES + SLACK_BYTES);
  return decoders;
}

/** The blocks of one stream, one behind the other, in memory that the next stream overwrites. */
export class UnfoldedBlocks {
  readonly #limitBytes: number;
  readonly #memory: Buffer;
  readonly #functions: WasmInstance['functions'];
  #sizeBytes = 0;

  /** @param limitBytes of all blocks together, at most LENT_BYTES_MAX */
  constructor(limitBytes: number) {
    const { memory, functions } = loaded();
    this.#limitBytes = limitBytes;
    this.#memory = memory;
    this.#functions = functions;
  }

  /**
   * Unfolds what lies in `bytes` from `start` to `end` behind the blocks before.
   * @param mostBytes that may come out of this block
   * @returns how many came out; MALFORMED; TOO_LARGE for `mostBytes`
   * @throws DecompressionLimitExceeded
   */
  add(
    codec: 'lz4' | 'snappy',
    bytes: Buffer,
    start: number,
    end: number,
    mostBytes: number,
  ): number {
    const sizeBytes = end - start;
    if (sizeBytes > BLOCK_ROOM_BYTES) throw new DecompressionLimitExceeded(codec, this.#limitBytes);
    bytes.copy(this.#memory, 0, start, end);
    const at = OUTPUT_AT + this.#sizeBytes;
    const leftBytes = this.#limitBytes - this.#sizeBytes;
    const unfold = this.#functions[codec];
    const count = unfold?.(0, sizeBytes, at, at + Math.min(mostBytes, leftBytes)) ?? MALFORMED;
    if (count === TOO_LARGE && mostBytes > leftBytes)
      throw new DecompressionLimitExceeded(codec, this.#limitBytes);
    if (count > 0) this.#sizeBytes += count;
    return count;
  }

  /**
   * Adds a block that is not compressed.
   * @throws DecompressionLimitExceeded
   */
  addStored(bytes: Buffer, start: number, end: number): void {
    if (end - start > this.#limitBytes - this.#sizeBytes)
      throw new DecompressionLimitExceeded('lz4', this.#limitBytes);
    bytes.copy(this.#memory, OUTPUT_AT + this.#sizeBytes, start, end);
    this.#sizeBytes += end - start;
  }

  get content(): Buffer {
    return this.#memory.subarray(OUTPUT_AT, OUTPUT_AT + this.#sizeBytes);
  }
}
