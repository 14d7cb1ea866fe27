/**
 * Messages and frames: what a broker does for each produce and fetch, beside code written by hand
 * for that one version, and what a client does with metadata, beside kafkajs if it is installed.
 */
import { createRequire } from 'node:module';
import {
  apis,
  decodeRequestHeader,
  encodeRequest,
  encodeResponse,
  FrameSplitter,
  fetchRequest,
  fetchResponse,
  heartbeatRequest,
  metadataResponse,
  produceRequest,
} from '@odradek/protocol';
import { benchmark, notMeasured, repeat, repeatAsync } from './harness.ts';

const PARTITIONS = 100;
const batch = Buffer.alloc(16_384, 1);
const partitions = Array.from({ length: PARTITIONS }, (_, index) => index);

// Produce, as a client with big batches and one with many partitions sends it.

const produced = produceRequest.encode(
  {
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [
      { name: 'first', partitionData: partitions.map((index) => ({ index, records: batch })) },
    ],
  },
  7,
);

/** Produce v7 and nothing else. */
function decodeProduceByHand(bytes: Buffer) {
  let at = 0;
  const int16 = () => {
    at += 2;
    return bytes.readInt16BE(at - 2);
  };
  const int32 = () => {
    at += 4;
    return bytes.readInt32BE(at - 4);
  };
  const text = () => {
    const size = int16();
    if (size < 0) return null;
    at += size;
    return bytes.toString('utf8', at - size, at);
  };
  const transactionalId = text();
  const acks = int16();
  const timeoutMs = int32();
  const topicData = [];
  for (let topics = int32(); topics > 0; topics--) {
    const name = text();
    const partitionData = [];
    for (let left = int32(); left > 0; left--) {
      const index = int32();
      const size = int32();
      at += size;
      partitionData.push({ index, records: bytes.subarray(at - size, at) });
    }
    topicData.push({ name, partitionData });
  }
  return { transactionalId, acks, timeoutMs, topicData };
}

const decodeByHand = `produce v7, ${PARTITIONS} partitions: decode by hand`;
const fewRequests = { unit: 'request', smoke: 3, full: 4000 };
benchmark(decodeByHand, fewRequests, (operations) =>
  repeat(operations, () => decodeProduceByHand(produced).topicData[0]?.partitionData.length ?? 0),
);
benchmark(
  `produce v7, ${PARTITIONS} partitions: decode`,
  { ...fewRequests, baseline: decodeByHand },
  (operations) =>
    repeat(
      operations,
      () => produceRequest.decode(produced, 7).topicData[0]?.partitionData.length ?? 0,
    ),
);

// Fetch: the answer is a list of chunks, in which the records are those of the log.

const answer = {
  throttleTimeMs: 0,
  errorCode: 0,
  sessionId: 0,
  responses: [
    {
      topic: 'first',
      partitions: partitions.map((partitionIndex) => ({
        partitionIndex,
        errorCode: 0,
        highWatermark: 123_456_789,
        lastStableOffset: 123_456_789,
        logStartOffset: 0,
        abortedTransactions: null,
        preferredReadReplica: -1,
        records: batch,
      })),
    },
  ],
};

/** Fetch v11 and nothing else; one buffer for all small fields, sized beforehand. */
function encodeFetchByHand(correlationId: number, { responses }: typeof answer): Buffer[] {
  const count = responses.reduce((sum, topic) => sum + topic.partitions.length, 0);
  const scratch = Buffer.allocUnsafe(64 + responses.length * 64 + count * 46);
  const chunks: Buffer[] = [];
  let start = 0;
  let at = 4;
  let total = 0;
  const int32 = (value: number) => {
    at = scratch.writeInt32BE(value, at);
  };
  const int64 = (value: number) => {
    int32(Math.floor(value / 0x100000000));
    at = scratch.writeUInt32BE(value >>> 0, at);
  };
  int32(correlationId);
  int32(0);
  at = scratch.writeInt16BE(0, at);
  int32(0);
  int32(responses.length);
  for (const { topic, partitions: list } of responses) {
    at = scratch.writeInt16BE(topic.length, at);
    at += scratch.write(topic, at, 'latin1');
    int32(list.length);
    for (const partition of list) {
      int32(partition.partitionIndex);
      at = scratch.writeInt16BE(partition.errorCode, at);
      int64(partition.highWatermark);
      int64(partition.lastStableOffset);
      int64(partition.logStartOffset);
      int32(-1);
      int32(partition.preferredReadReplica);
      int32(partition.records.length);
      chunks.push(scratch.subarray(start, at), partition.records);
      total += at - start + partition.records.length;
      start = at;
    }
  }
  scratch.writeInt32BE(total - 4, 0);
  return chunks;
}

const encodeByHand = `fetch v11, ${PARTITIONS} partitions: encode by hand`;
const fewAnswers = { unit: 'answer', smoke: 3, full: 4000 };
benchmark(encodeByHand, fewAnswers, (operations) =>
  repeat(operations, () => encodeFetchByHand(7, answer).length),
);
benchmark(
  `fetch v11, ${PARTITIONS} partitions: encode`,
  { ...fewAnswers, baseline: encodeByHand },
  (operations) => repeat(operations, () => encodeResponse(apis.fetch, 11, 7, answer).length),
);
const fetched = fetchResponse.encode(answer, 12);
benchmark(`fetch v12, ${PARTITIONS} partitions: decode`, fewAnswers, (operations) =>
  repeat(operations, () => fetchResponse.decode(fetched, 12).responses[0]?.partitions.length ?? 0),
);

const asked = fetchRequest.encode(
  {
    replicaId: -1,
    maxWaitMs: 500,
    minBytes: 1,
    topics: [
      {
        topic: 'first',
        partitions: partitions.map((partition) => ({
          partition,
          fetchOffset: 123_456,
          partitionMaxBytes: 1_048_576,
        })),
      },
    ],
  },
  12,
);
benchmark(
  `fetch v12, ${PARTITIONS} partitions: decode the request`,
  { unit: 'request', smoke: 3, full: 10_000 },
  (operations) =>
    repeat(operations, () => fetchRequest.decode(asked, 12).topics[0]?.partitions.length ?? 0),
);

// Small messages, and frames.

const beat = { groupId: 'a-group', generationId: 5, memberId: 'rdkafka-3f0c7f0e-3d0f-4a1b-9f55' };
const many = { unit: 'request', smoke: 10, full: 100_000 };
benchmark('heartbeat: encode v4', many, (operations) =>
  repeat(operations, () => heartbeatRequest.encode(beat, 4).length),
);
const beaten = heartbeatRequest.encode(beat, 4);
benchmark('heartbeat: decode v4', many, (operations) =>
  repeat(operations, () => heartbeatRequest.decode(beaten, 4).generationId),
);

const frame = Buffer.concat(encodeRequest(apis.heartbeat, 4, 7, 'rdkafka', beat));
benchmark('decode a request header', many, (operations) =>
  repeat(operations, () => decodeRequestHeader(frame.subarray(4)).bodyOffset),
);
const FRAMES = 500;
const stream = Buffer.concat(Array.from({ length: FRAMES }, () => frame));
const inOne = `split a chunk of ${FRAMES} small frames`;
benchmark(inOne, { unit: 'chunk', smoke: 3, full: 5000 }, (operations) => {
  const splitter = new FrameSplitter({ maxFrameBytes: 1_000_000 });
  return repeat(operations, () => {
    let sizeBytes = 0;
    splitter.push(stream, ({ length }) => {
      sizeBytes += length;
    });
    return sizeBytes;
  });
});
const big = Buffer.alloc(4 + 1_000_000, 1);
big.writeInt32BE(1_000_000);
const pieces = Array.from({ length: 16 }, (_, index) =>
  big.subarray(index * 65_536, (index + 1) * 65_536),
);
benchmark(
  'put a frame of 1 MB together from 16 chunks',
  { unit: 'frame', smoke: 2, full: 500, bytes: 1_000_000 },
  (operations) => {
    const splitter = new FrameSplitter({ maxFrameBytes: 1_000_000 });
    return repeat(operations, () => {
      let sizeBytes = 0;
      for (const piece of pieces) {
        splitter.push(piece, ({ length }) => {
          sizeBytes += length;
        });
      }
      return sizeBytes;
    });
  },
);

// Metadata, as a client reads it.

const metadata = metadataResponse.encode(
  {
    brokers: [1, 2, 3].map((nodeId) => ({ nodeId, host: `broker-${nodeId}.example`, port: 9092 })),
    clusterId: 'a-cluster',
    controllerId: 1,
    topics: Array.from({ length: 50 }, (_, topic) => ({
      errorCode: 0,
      name: `topic-${topic}`,
      partitions: Array.from({ length: 12 }, (_, partitionIndex) => ({
        errorCode: 0,
        partitionIndex,
        leaderId: 1,
        replicaNodes: [1, 2, 3],
        isrNodes: [1, 2, 3],
        offlineReplicas: [],
      })),
    })),
  },
  6,
);

/** kafkajs's own decoder, which it does not export. */
function kafkajs(): ((bytes: Buffer) => Promise<{ topicMetadata: readonly unknown[] }>) | null {
  try {
    return createRequire(import.meta.url)('kafkajs/src/protocol/requests/metadata/v6/response')
      .decode;
  } catch {
    return null;
  }
}

const decodeByPeer = kafkajs();
const metadataByPeer = 'kafkajs: decode metadata of 600 partitions';
const sizes = { unit: 'answer', smoke: 2, full: 1000 };
if (decodeByPeer === null) notMeasured(metadataByPeer, 'it is not installed');
else {
  benchmark(metadataByPeer, sizes, (operations) =>
    repeatAsync(operations, async () => (await decodeByPeer(metadata)).topicMetadata.length),
  );
}
benchmark(
  'decode metadata of 600 partitions',
  decodeByPeer === null ? sizes : { ...sizes, baseline: metadataByPeer },
  (operations) => repeat(operations, () => metadataResponse.decode(metadata, 6).topics.length),
);
