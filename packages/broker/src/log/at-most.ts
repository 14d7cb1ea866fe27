/** A door that lets so many through at a time. */

export class AtMost {
  readonly #limit: number;
  readonly #house: AtMost | null;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @param house a door that all have to pass besides, of a house with several doors */
  constructor(limit: number, house: AtMost | null = null) {
    this.#limit = limit;
    this.#house = house;
  }

  /** Runs `work` as soon as fewer than the limit are running; those that wait go in order. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limit) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve)); // Takes over a place.
    try {
      return await (this.#house === null ? work() : this.#house.run(work));
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
