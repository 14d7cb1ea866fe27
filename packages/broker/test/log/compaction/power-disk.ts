/**
 * A disk in memory that remembers what was made durable: contents by syncs of files, names by syncs of
 * folders. What a loss of power leaves is made of the rest by choice.
 */
import { DiskError, type DiskFile } from '@odradek/runtime';
import { MemoryDisk } from '../memory-disk.ts';

type Node = { content: Buffer; modifiedAtMs: number };
type NameChange =
  | { readonly kind: 'link'; readonly path: string; readonly node: Node }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string };

export class PowerDisk extends MemoryDisk {
  /** Called before anything that changes what is on the disk. */
  beforeChange: (() => void) | null = null;
  readonly #names = new Map<string, Node>();
  #changes: NameChange[] = [];
  readonly #synced = new WeakMap<Node, Buffer>();

  /** Everything is durable from here on. */
  settle(): void {
    this.#names.clear();
    this.#changes = [];
    for (const [path, node] of this.files) {
      this.#names.set(path, node);
      this.#synced.set(node, Buffer.from(node.content));
    }
  }

  /**
   * What is there after the power was lost.
   * @param survives which of the changes of names, in their order, that no sync has made certain
   * @param contents whether what was written and not synced is there
   */
  afterLoss(survives: (index: number) => boolean, contents: boolean): MemoryDisk {
    const names = new Map(this.#names);
    for (const [index, change] of this.#changes.entries()) {
      if (!survives(index)) continue;
      if (change.kind === 'link') names.set(change.path, change.node);
      else if (change.kind === 'unlink') names.delete(change.path);
      else {
        const node = names.get(change.from);
        if (node === undefined) continue;
        names.delete(change.from);
        names.set(change.to, node);
      }
    }
    const left = new MemoryDisk();
    for (const folder of this.folders) left.folders.add(folder);
    for (const [path, node] of names) {
      left.put(path, contents ? node.content : (this.#synced.get(node) ?? Buffer.alloc(0)));
    }
    return left;
  }

  override async open(
    path: string,
    mode: 'read' | 'write' | 'create' | 'durable',
  ): Promise<DiskFile> {
    if (mode !== 'read') this.beforeChange?.();
    const isNew = !this.files.has(path);
    const file = await super.open(path, mode === 'durable' ? 'write' : mode);
    const node = this.files.get(path);
    if (node === undefined) throw new DiskError('ENOENT', path, 'open');
    if (isNew) this.#changes.push({ kind: 'link', path, node });
    return {
      ...file,
      write: async (buffers, position) => {
        this.beforeChange?.();
        await file.write(buffers, position);
      },
      sync: async () => {
        await file.sync();
        this.#synced.set(node, Buffer.from(node.content));
      },
    };
  }

  override async replaceFile(path: string, content: Uint8Array | string): Promise<void> {
    this.beforeChange?.();
    await super.replaceFile(path, content);
    const node = this.files.get(path);
    if (node === undefined) return;
    this.#names.set(path, node);
    this.#synced.set(node, Buffer.from(node.content));
  }

  override async rename(from: string, to: string): Promise<void> {
    this.beforeChange?.();
    await super.rename(from, to);
    this.#changes.push({ kind: 'rename', from, to });
  }

  override async remove(path: string): Promise<void> {
    this.beforeChange?.();
    await super.remove(path);
    this.#changes.push({ kind: 'unlink', path });
  }

  override async syncDirectory(): Promise<void> {
    this.beforeChange?.();
    this.#names.clear();
    for (const [path, node] of this.files) this.#names.set(path, node);
    this.#changes = [];
  }
}
