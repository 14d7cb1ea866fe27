/**
 * A leader's snapshot on its way to the disk: parts come from the link, the disk takes them as it can.
 * What waits in between is bounded, because the link is held back when it is too much.
 */
import { OdradekError } from '@odradek/runtime';

/** The link broke, or another role began, before the snapshot had ended. */
export class SnapshotBroken extends OdradekError {
  override readonly name = 'SnapshotBroken';
  readonly code = 'SNAPSHOT_BROKEN';
  readonly retriable = true;
}

export interface IntakeOptions {
  /** From this much waiting on, `hold` is called; `release` when less than half is left. */
  readonly waitingBytesMax: number;
  readonly hold: () => void;
  readonly release: () => void;
}

export class SnapshotIntake implements AsyncIterable<Uint8Array> {
  readonly #options: IntakeOptions;
  readonly #parts: (readonly Uint8Array[])[] = [];
  #waitingBytes = 0;
  #isHeld = false;
  #isComplete = false;
  #broken: SnapshotBroken | null = null;
  #wake: (() => void) | null = null;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** @param entries not changed afterwards */
  add(entries: readonly Uint8Array[]): void {
    this.#parts.push(entries);
    this.#waitingBytes += sizeOf(entries);
    if (!this.#isHeld && this.#waitingBytes > this.#options.waitingBytesMax) {
      this.#isHeld = true;
      this.#options.hold();
    }
    this.#wakeUp();
  }

  /** That was all. */
  complete(): void {
    this.#isComplete = true;
    this.#wakeUp();
  }

  /** There will be no end: whoever reads gets SnapshotBroken. */
  break(reason: string): void {
    this.#broken = new SnapshotBroken(reason);
    this.#wakeUp();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#broken !== null) throw this.#broken;
      const part = this.#parts.shift();
      if (part !== undefined) {
        this.#waitingBytes -= sizeOf(part);
        yield* part;
        this.#letIn();
      } else if (this.#isComplete) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #letIn(): void {
    if (!this.#isHeld || this.#waitingBytes * 2 > this.#options.waitingBytesMax) return;
    this.#isHeld = false;
    this.#options.release();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

function sizeOf(entries: readonly Uint8Array[]): number {
  let sizeBytes = 0;
  for (const entry of entries) sizeBytes += entry.byteLength;
  return sizeBytes;
}
