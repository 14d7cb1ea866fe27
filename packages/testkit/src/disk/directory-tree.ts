/**
 * Names on a medium: which file is called what. A change of names is certain once its folder was synced;
 * until then a loss of power may undo it, the newest first, as a journal does, or each for itself, as the
 * standard allows.
 */
import { dirname } from 'node:path';
import type { Draw } from '../world/draw.ts';
import type { SectorFile } from './sector-file.ts';

type NameChange =
  | { readonly kind: 'link'; readonly path: string; readonly file: SectorFile }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  /** All that is in the folder goes with it, at once or not at all. */
  | { readonly kind: 'renameFolder'; readonly from: string; readonly to: string };

/** Of losses of power, how many leave a beginning of the changes, as a journaling file system does. */
const JOURNAL_SHARE = 0.7;

export class DirectoryTree {
  #names = new Map<string, SectorFile>();
  readonly #durable = new Map<string, SectorFile>();
  #changes: NameChange[] = [];
  /** Folders are durable at once: nothing of ours rests on their vanishing. */
  readonly #folders = new Set<string>(['/']);

  get(path: string): SectorFile | undefined {
    return this.#names.get(path);
  }

  isFolder(path: string): boolean {
    return this.#folders.has(path);
  }

  files(): IterableIterator<[string, SectorFile]> {
    return this.#names.entries();
  }

  children(path: string): { readonly name: string; readonly kind: 'file' | 'directory' }[] {
    const found: { name: string; kind: 'file' | 'directory' }[] = [];
    const look = (other: string, kind: 'file' | 'directory'): void => {
      if (other === path || dirname(other) !== path) return;
      found.push({ name: other.slice(other.lastIndexOf('/') + 1), kind });
    };
    for (const file of this.#names.keys()) look(file, 'file');
    for (const folder of this.#folders) look(folder, 'directory');
    return found.sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  addFolder(path: string): void {
    for (let folder = path; !this.#folders.has(folder); folder = dirname(folder)) {
      this.#folders.add(folder);
    }
  }

  link(path: string, file: SectorFile): void {
    this.#change({ kind: 'link', path, file });
  }

  rename(from: string, to: string): void {
    if (this.#folders.has(from)) {
      this.#renameFolder(from, to);
      return;
    }
    this.#change({ kind: 'rename', from, to });
  }

  /** A file, or a folder and all that is in it. */
  remove(path: string): void {
    for (const name of [...this.#names.keys()]) {
      if (name === path || name.startsWith(`${path}/`))
        this.#change({ kind: 'unlink', path: name });
    }
    for (const folder of [...this.#folders]) {
      if (folder === path || folder.startsWith(`${path}/`)) this.#folders.delete(folder);
    }
  }

  /** Names in this folder are certain from here on. */
  sync(folder: string): void {
    const isHere = (change: NameChange): boolean =>
      'from' in change
        ? dirname(change.from) === folder || dirname(change.to) === folder
        : dirname(change.path) === folder;
    let left: NameChange[] = [];
    for (const change of this.#changes) {
      if (!isHere(change)) {
        left.push(change);
        continue;
      }
      carryOut(change, this.#durable);
      // What is not certain inside a folder moves with it.
      if (change.kind === 'renameFolder') left = left.map((other) => moved(other, change));
    }
    this.#changes = left;
  }

  /** @param isJournaled changes of names are always lost from the last one on */
  losePower(draw: Draw, isJournaled: boolean): void {
    const changes = this.#changes;
    const kept =
      isJournaled || draw.chance(JOURNAL_SHARE)
        ? changes.slice(0, draw.below(changes.length + 1))
        : changes.filter(() => draw.chance(0.5));
    for (const change of kept) carryOut(change, this.#durable);
    this.#changes = [];
    this.#names = new Map(this.#durable);
    for (const name of this.#names.keys()) this.addFolder(dirname(name));
  }

  #change(change: NameChange): void {
    carryOut(change, this.#names);
    this.#changes.push(change);
  }

  #renameFolder(from: string, to: string): void {
    this.addFolder(to);
    this.#change({ kind: 'renameFolder', from, to });
    for (const name of this.#names.keys()) this.addFolder(dirname(name));
    for (const folder of [...this.#folders]) {
      if (folder === from || folder.startsWith(`${from}/`)) this.#folders.delete(folder);
    }
  }
}

/** A change as it reads once the folder that it is in was renamed. */
function moved(
  change: NameChange,
  folder: { readonly from: string; readonly to: string },
): NameChange {
  const at = (path: string): string =>
    path.startsWith(`${folder.from}/`) ? folder.to + path.slice(folder.from.length) : path;
  return 'from' in change
    ? { ...change, from: at(change.from), to: at(change.to) }
    : { ...change, path: at(change.path) };
}

function carryOut(change: NameChange, names: Map<string, SectorFile>): void {
  switch (change.kind) {
    case 'link':
      names.set(change.path, change.file);
      return;
    case 'unlink':
      names.delete(change.path);
      return;
    case 'renameFolder':
      for (const [path, file] of [...names]) {
        if (!path.startsWith(`${change.from}/`)) continue;
        names.delete(path);
        names.set(change.to + path.slice(change.from.length), file);
      }
      return;
    case 'rename': {
      const file = names.get(change.from);
      if (file === undefined) return;
      names.delete(change.from);
      names.set(change.to, file);
    }
  }
}
