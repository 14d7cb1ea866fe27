/**
 * Blocks of producer ids: /latest_producer_id_block holds the last one given out, and a block is
 * given out by writing the next one in its place, so no id is ever given twice.
 */
import { KafkaError } from '@odradek/protocol';
import { type Coordination, hasCode } from '../metadata/coordination.ts';
import { paths } from '../metadata/znode-paths.ts';
import {
  decodeProducerIdBlock,
  encodeProducerIdBlock,
  type ProducerIdBlock,
} from '../metadata/znodes.ts';

/** Ids in one block. */
export const PRODUCER_ID_BLOCK_SIZE = 1_000;
const LAST_PRODUCER_ID = 2n ** 63n - 1n;

/** Takes the next block for a broker. A block whose write was not answered is left unused. */
export async function takeProducerIdBlock(
  session: Coordination,
  brokerId: number,
): Promise<ProducerIdBlock> {
  for (;;) {
    const node = await session.get(paths.producerIdBlock);
    if (node === null) {
      await session.ensurePath(paths.producerIdBlock);
      continue;
    }
    const first = node.data.length === 0 ? 0n : decodeProducerIdBlock(node.data).last + 1n;
    const last = first + BigInt(PRODUCER_ID_BLOCK_SIZE) - 1n;
    if (last > LAST_PRODUCER_ID)
      throw new KafkaError('UNKNOWN_SERVER_ERROR', 'all producer ids are used up');
    const block = { brokerId, first, last };
    try {
      await session.set(paths.producerIdBlock, encodeProducerIdBlock(block), node.stat.version);
      return block;
    } catch (error) {
      // Somebody else took one, or we do not know whether we did: the next one is free.
      if (!hasCode(error, 'BAD_VERSION', 'CONNECTION_LOSS')) throw error;
      await session.whenConnected();
    }
  }
}
