/** Something that stands in a {@link Recency}; the fields are its own. */
export interface Recent<T> {
  older: T | null;
  newer: T | null;
}

/**
 * The order in which things were last used. Using one changes four links and makes nothing new, so that it may be done
 * with each append; a Map whose keys are set anew instead builds its table anew again and again.
 */
export class Recency<T extends Recent<T>> {
  #oldest: T | null = null;
  #newest: T | null = null;

  get oldest(): T | null {
    return this.#oldest;
  }

  /** Puts in as just used what is not in it. */
  add(each: T): void {
    each.older = this.#newest;
    if (this.#newest === null) this.#oldest = each;
    else this.#newest.newer = each;
    this.#newest = each;
  }

  /** What is in it was just used. */
  use(each: T): void {
    if (each === this.#newest) return;
    this.remove(each);
    this.add(each);
  }

  /** Takes out what is in it. */
  remove(each: T): void {
    const { older, newer } = each;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    each.older = null;
    each.newer = null;
  }
}
