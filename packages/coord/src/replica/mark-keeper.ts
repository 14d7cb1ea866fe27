/**
 * What this server has promised, in memory as it is on the disk. Promises are kept one after the
 * other, and none is ever lowered.
 */
import type { EnsembleMark, ReplicatedStorage } from '../storage/types.ts';

export class MarkKeeper {
  readonly #storage: ReplicatedStorage;
  #mark: EnsembleMark;
  /** Nothing was ever here, and nobody has said that this is as it should be. */
  #isNew: boolean;
  #work: Promise<void> = Promise.resolve();

  /** @param isTrusted an empty disk is as it should be */
  constructor(storage: ReplicatedStorage, isTrusted: boolean) {
    this.#storage = storage;
    this.#mark = storage.mark;
    this.#isNew = storage.isNew && !isTrusted;
  }

  get mark(): EnsembleMark {
    return this.#mark;
  }

  /**
   * The name of the ensemble; null as long as it does not bind. A leadership may break off when some
   * have promised its epoch and with it taken over a name, and the next one then goes by another.
   * Before anybody has the history of an epoch, a quorum has promised it: from then on every leader
   * finds its name among those who greet it.
   */
  get name(): string | null {
    return this.#mark.currentEpoch > 0 ? this.#mark.clusterId : null;
  }

  get isNew(): boolean {
    return this.#isNew;
  }

  /** The operator has taken over without this server: it has no say any more. */
  get isFenced(): boolean {
    return this.#mark.metFence > this.#mark.fence;
  }

  /**
   * Resolves once it is durable.
   * @throws DiskError
   */
  save(change: Partial<EnsembleMark>): Promise<void> {
    this.#work = this.#work.then(() => this.#save(change));
    return this.#work;
  }

  /** Resolves when nothing is being saved, or could not be. */
  async whenIdle(): Promise<void> {
    for (let work: Promise<void> | null = null; work !== this.#work; ) {
      work = this.#work;
      await work.catch(() => undefined); // Told to whoever asked for it.
    }
  }

  async #save(change: Partial<EnsembleMark>): Promise<void> {
    const before = this.#mark;
    const mark = { ...before, ...change };
    const raised: EnsembleMark = {
      ...mark,
      acceptedEpoch: Math.max(mark.acceptedEpoch, before.acceptedEpoch),
      currentEpoch: Math.max(mark.currentEpoch, before.currentEpoch),
      fence: Math.max(mark.fence, before.fence),
      metFence: Math.max(mark.metFence, before.metFence, mark.fence),
    };
    await this.#storage.saveMark(raised);
    this.#mark = raised;
    if (raised.currentEpoch > before.currentEpoch) this.#isNew = false;
  }
}
