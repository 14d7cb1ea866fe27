/**
 * A file as a medium has it: sectors, of which those written since the last sync may or may not be
 * there after the power went, each for itself.
 */
import type { Draw } from '../world/draw.ts';

export const SECTOR_BYTES = 512;

/** undefined: zeros. Never changed once it is in a file. */
type Sector = Uint8Array | undefined;

/** How much of what was not synced outlives a loss of power. */
export type Survival = 'nothing' | 'everything' | 'some';

const zeros = new Uint8Array(SECTOR_BYTES);

/** What a sync will make durable: the file as it was when the sync began. */
export interface SyncPoint {
  readonly sizeBytes: number;
  readonly sectors: ReadonlyMap<number, Sector>;
}

export class SectorFile {
  #sizeBytes = 0;
  #durableSizeBytes = 0;
  readonly #sectors: Sector[] = [];
  /** What unsynced sectors held before: first what is durable, then what was written over since. */
  readonly #older = new Map<number, Sector[]>();
  modifiedAtMs = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Sectors whose content is not certain. */
  get unsyncedSectors(): number {
    return this.#older.size;
  }

  read(target: Uint8Array, position: number): number {
    const end = Math.min(position + target.byteLength, this.#sizeBytes);
    for (let at = position; at < end; ) {
      const index = Math.floor(at / SECTOR_BYTES);
      const from = at - index * SECTOR_BYTES;
      const until = Math.min(SECTOR_BYTES, from + end - at);
      target.set((this.#sectors[index] ?? zeros).subarray(from, until), at - position);
      at += until - from;
    }
    return Math.max(0, end - position);
  }

  /** @param bytes must not change afterwards */
  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.byteLength;
    for (let at = position; at < end; ) {
      const index = Math.floor(at / SECTOR_BYTES);
      const from = at - index * SECTOR_BYTES;
      const until = Math.min(SECTOR_BYTES, from + end - at);
      const part = bytes.subarray(at - position, at - position + until - from);
      if (until - from === SECTOR_BYTES) this.#put(index, part);
      else {
        const sector = new Uint8Array(this.#sectors[index] ?? zeros);
        sector.set(part, from);
        this.#put(index, sector);
      }
      at += until - from;
    }
    this.#sizeBytes = Math.max(this.#sizeBytes, end);
  }

  /** As with O_DSYNC: these bytes, and a size that holds them, are on the medium; others are not for it. */
  writeDurably(bytes: Uint8Array, position: number): void {
    this.write(bytes, position);
    const end = position + bytes.byteLength;
    const last = Math.ceil(end / SECTOR_BYTES);
    for (let index = Math.floor(position / SECTOR_BYTES); index < last; index++) {
      this.#older.delete(index);
    }
    this.#durableSizeBytes = Math.max(end, Math.min(this.#durableSizeBytes, this.#sizeBytes));
  }

  truncate(sizeBytes: number): void {
    for (let index = Math.ceil(sizeBytes / SECTOR_BYTES); index < this.#sectors.length; index++) {
      if (this.#sectors[index] !== undefined) this.#put(index, undefined);
    }
    const last = Math.floor(sizeBytes / SECTOR_BYTES);
    const cut = sizeBytes - last * SECTOR_BYTES;
    const sector = this.#sectors[last];
    if (cut > 0 && sector !== undefined) {
      const kept = new Uint8Array(SECTOR_BYTES);
      kept.set(sector.subarray(0, cut));
      this.#put(last, kept);
    }
    this.#sizeBytes = sizeBytes;
  }

  beginSync(): SyncPoint {
    const sectors = new Map<number, Sector>();
    for (const index of this.#older.keys()) sectors.set(index, this.#sectors[index]);
    return { sizeBytes: this.#sizeBytes, sectors };
  }

  /** What was written since it began is as uncertain as before. */
  endSync({ sizeBytes, sectors }: SyncPoint): void {
    // Not less than a durable write has made certain meanwhile.
    this.#durableSizeBytes = Math.max(sizeBytes, Math.min(this.#durableSizeBytes, this.#sizeBytes));
    for (const [index, synced] of sectors) {
      const older = this.#older.get(index);
      if (older === undefined) continue;
      if (this.#sectors[index] === synced) this.#older.delete(index);
      else this.#older.set(index, [synced, ...older.slice(older.lastIndexOf(synced) + 1)]);
    }
  }

  /** The power went: each unsynced sector is what it is, or something that it was. */
  losePower(survival: Survival, draw: Draw): void {
    if (survival !== 'everything') {
      for (const [index, older] of this.#older) {
        if (survival === 'nothing') this.#sectors[index] = older[0];
        else {
          const at = draw.below(older.length + 1);
          if (at < older.length) this.#sectors[index] = older[at];
        }
      }
      const keepsSize = survival === 'some' && draw.chance(0.5);
      if (!keepsSize) this.#sizeBytes = this.#durableSizeBytes;
    }
    this.#older.clear();
    this.#durableSizeBytes = this.#sizeBytes;
    // Beyond the end there is nothing, whatever a longer file had there.
    this.truncate(this.#sizeBytes);
    this.#older.clear();
  }

  /** Turns one bit of something that was written. @returns where; null when nothing was */
  rot(draw: Draw): number | null {
    const written = this.#sectors.flatMap((sector, index) => (sector === undefined ? [] : [index]));
    if (written.length === 0) return null;
    const index = draw.oneOf(written);
    const inFile = Math.min(SECTOR_BYTES, this.#sizeBytes - index * SECTOR_BYTES);
    if (inFile <= 0) return null;
    const at = draw.below(inFile);
    const sector = new Uint8Array(this.#sectors[index] ?? zeros);
    sector[at] = (sector[at] ?? 0) ^ (1 << draw.below(8));
    this.#sectors[index] = sector;
    return index * SECTOR_BYTES + at;
  }

  #put(index: number, sector: Sector): void {
    const older = this.#older.get(index);
    if (older === undefined) this.#older.set(index, [this.#sectors[index]]);
    else older.push(this.#sectors[index]);
    this.#sectors[index] = sector;
  }
}
