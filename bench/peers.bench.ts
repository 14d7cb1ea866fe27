/**
 * What a transaction costs on its way between servers: made a frame once, cut out of the stream again
 * and read, in messages of one and of many transactions.
 */
import { decodeLearnerMessage, encodeLearnerMessage } from '../packages/coord/src/peers/codec.ts';
import { FRAME_BYTES_MAX, FrameReader } from '../packages/coord/src/peers/frame.ts';
import {
  decodeLeaderMessage,
  encodeLeaderMessage,
} from '../packages/coord/src/peers/leader-codec.ts';
import type { LogEntry } from '../packages/coord/src/replica/types.ts';
import { benchmark, repeat } from './harness.ts';

/** A setData of a hundred bytes. */
const RECORD_BYTES = 150;

function entries(count: number): LogEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    zxid: 0x1_0000_0001n + BigInt(index),
    record: Buffer.alloc(RECORD_BYTES, index),
    origin: { serverId: 2, requestId: 1_000_000 + index },
    ensembleText: null,
  }));
}

for (const count of [1, 10, 100]) {
  const batch = entries(count);
  benchmark(
    `peers: proposals of ${count}, encode and decode`,
    { unit: 'message', smoke: 10, full: Math.ceil(200_000 / count), bytes: count * RECORD_BYTES },
    (operations) => {
      let checksum = 0;
      const reader = new FrameReader(FRAME_BYTES_MAX, (payload, isOwned) => {
        const message = decodeLeaderMessage(isOwned ? payload : Buffer.from(payload));
        if (message.kind !== 'proposals') return;
        for (const { record } of message.entries) checksum += record.length;
      });
      return repeat(operations, () => {
        const frames = encodeLeaderMessage({
          kind: 'proposals',
          entries: batch,
          committedZxid: 0x1_0000_0000n,
        });
        for (const frame of frames) reader.push(frame);
        return checksum;
      });
    },
  );
}

benchmark(
  'peers: acknowledgement, encode and decode',
  { unit: 'message', smoke: 10, full: 300_000 },
  (operations) => {
    let checksum = 0;
    const reader = new FrameReader(FRAME_BYTES_MAX, (payload) => {
      const message = decodeLearnerMessage(payload);
      if (message.kind === 'ack') checksum += Number(message.zxid & 0xffn);
    });
    let zxid = 0n;
    return repeat(operations, () => {
      zxid += 1n;
      reader.push(encodeLearnerMessage({ kind: 'ack', zxid }));
      return checksum;
    });
  },
);
