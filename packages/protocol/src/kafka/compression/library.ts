/**
 * The way to the codecs' libraries. They are loaded when they are first used: each brings native
 * code that most processes never need, and that may be missing on an unusual platform.
 */
import { createRequire } from 'node:module';
import { KafkaError } from '../errors.ts';
import type { Codec } from './codec.ts';

const require = createRequire(import.meta.url);

/**
 * A function that gives the library, loading it once.
 * @throws KafkaError UNSUPPORTED_COMPRESSION_TYPE when it cannot be loaded here
 */
export function lazyLibrary<Library>(codec: Codec, moduleName: string): () => Library {
  let library: Library | null = null;
  return () => {
    library ??= load<Library>(codec, moduleName);
    return library;
  };
}

function load<Library>(codec: Codec, moduleName: string): Library {
  try {
    return require(moduleName) as Library;
  } catch (cause) {
    throw new KafkaError(
      'UNSUPPORTED_COMPRESSION_TYPE',
      `${codec} does not work here, because the package ${moduleName} cannot be loaded`,
      { cause },
    );
  }
}

/**
 * Has the blocks of one stream worked on in the pool, one after the other: a hostile stream can be a
 * hundred thousand tiny blocks, and that many promises at once would cost far more than their bytes.
 */
export async function inTurn<Block>(
  blocks: readonly Block[],
  work: (block: Block) => Buffer | Promise<Buffer>,
): Promise<Buffer[]> {
  const results: Buffer[] = [];
  for (const block of blocks) results.push(await work(block));
  return results;
}
