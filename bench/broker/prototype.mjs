/**
 * What one event loop of Node can do at all: a bare server that takes produce requests and answers fetches, and is no
 * broker. It checks the checksum, patches the offset in place, writes with one vectored write per partition and turn,
 * and answers. No validation beyond that, no indexes, no bounds, no recovery, nothing that a second request could upset.
 * The benchmark measures it beside the broker: what lies between them is what the broker's layers cost.
 *
 *   node prototype.mjs PORT DIRECTORY
 *
 * A topic is there as soon as it is named; the number behind its last dash says how many partitions it has.
 */
import { mkdirSync, openSync, read, writev } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import {
  apis,
  checksumMatches,
  decodeRequestHeader,
  encodeResponse,
  unsupportedApiVersions,
} from '@odradek/protocol';

const [, , port = '0', directory = '.'] = process.argv;
mkdirSync(directory, { recursive: true });

/** Newest written bytes of a partition that are answered from memory. */
const TAIL_BYTES = 4 * 1024 * 1024;
const INDEX_STEP_BYTES = 64 * 1024;
const BATCH_LAST_DELTA_AT = 23;
const BATCH_OVERHEAD_BYTES = 61;

const served = [
  { apiKey: 0, minVersion: 3, maxVersion: 7 },
  { apiKey: 1, minVersion: 4, maxVersion: 11 },
  { apiKey: 2, minVersion: 1, maxVersion: 2 },
  { apiKey: 3, minVersion: 1, maxVersion: 4 },
  { apiKey: 18, minVersion: 0, maxVersion: 0 },
];

class Partition {
  nextOffset = 0;
  endOffset = 0;
  writtenBytes = 0;
  /** Where batches begin in the file, one for each INDEX_STEP_BYTES or so. */
  index = [];
  /** Newest writes: `{ firstOffset, bytes }`. */
  tail = [];
  tailBytes = 0;
  queued = [];
  isWriting = false;
  sleepers = new Set();

  constructor(name) {
    this.file = openSync(join(directory, name), 'w+');
  }

  append(batch, request) {
    if (!checksumMatches(batch, 0)) return -1;
    const firstOffset = this.nextOffset;
    batch.writeUInt32BE(Math.floor(firstOffset / 2 ** 32), 0);
    batch.writeUInt32BE(firstOffset >>> 0, 4);
    this.nextOffset = firstOffset + batch.readInt32BE(BATCH_LAST_DELTA_AT) + 1;
    this.queued.push({ batch, firstOffset, nextOffset: this.nextOffset, request });
    if (this.queued.length === 1 && !this.isWriting) setImmediate(() => this.write());
    return firstOffset;
  }

  write() {
    const appends = this.queued;
    if (appends.length === 0) return;
    this.queued = [];
    this.isWriting = true;
    const buffers = appends.map(({ batch }) => batch);
    const at = this.writtenBytes;
    writev(this.file, buffers, at, (error, sizeBytes) => {
      if (error) throw error;
      this.isWriting = false;
      this.written(appends, at, sizeBytes);
      this.write();
    });
  }

  written(appends, at, sizeBytes) {
    if (at + sizeBytes - (this.index.at(-1)?.at ?? -INDEX_STEP_BYTES) >= INDEX_STEP_BYTES)
      this.index.push({ at, offset: appends[0].firstOffset });
    this.writtenBytes += sizeBytes;
    for (const { batch, firstOffset, nextOffset, request } of appends) {
      this.tail.push({ batch, firstOffset, nextOffset });
      this.tailBytes += batch.length;
      this.endOffset = nextOffset;
      request?.settle();
    }
    let gone = 0;
    while (this.tailBytes > TAIL_BYTES) this.tailBytes -= this.tail[gone++].batch.length;
    if (gone > 0) this.tail = this.tail.slice(gone);
    const { sleepers } = this;
    this.sleepers = new Set();
    for (const wake of sleepers) wake();
  }

  /** @returns buffers, or a promise of them */
  readFrom(offset, maxBytes) {
    if (offset >= this.endOffset) return [];
    if (offset < (this.tail[0]?.firstOffset ?? 0)) return this.readFile(offset, maxBytes);
    const found = [];
    let bytes = 0;
    let low = 0;
    let high = this.tail.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.tail[middle].nextOffset <= offset) low = middle + 1;
      else high = middle;
    }
    for (; low < this.tail.length; low++) {
      const { batch } = this.tail[low];
      bytes += batch.length;
      if (bytes > maxBytes && found.length > 0) break;
      found.push(batch);
    }
    return found;
  }

  readFile(offset, maxBytes) {
    let low = 0;
    let high = this.index.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.index[middle].offset <= offset) low = middle + 1;
      else high = middle;
    }
    const { at } = this.index[low - 1];
    const bytes = Buffer.allocUnsafeSlow(
      Math.min(Math.max(maxBytes, 2 * 1024 * 1024), this.writtenBytes - at),
    );
    return new Promise((resolve) => {
      read(this.file, bytes, 0, bytes.length, at, (error, sizeBytes) => {
        if (error) throw error;
        resolve([wholeBatches(bytes.subarray(0, sizeBytes), offset)]);
      });
    });
  }
}

function wholeBatches(bytes, offset) {
  let start = 0;
  let end = 0;
  while (end + BATCH_OVERHEAD_BYTES <= bytes.length) {
    const sizeBytes = bytes.readInt32BE(end + 8) + 12;
    const firstOffset = bytes.readUInt32BE(end) * 2 ** 32 + bytes.readUInt32BE(end + 4);
    if (end + sizeBytes > bytes.length) break;
    end += sizeBytes;
    if (firstOffset + bytes.readInt32BE(end - sizeBytes + BATCH_LAST_DELTA_AT) < offset)
      start = end;
  }
  return bytes.subarray(start, end);
}

const partitions = new Map();

const partitionCount = (topic) => Number(topic.slice(topic.lastIndexOf('-') + 1)) || 1;

function partitionOf(topic, index) {
  let all = partitions.get(topic);
  if (all === undefined) {
    all = [];
    partitions.set(topic, all);
  }
  all[index] ??= new Partition(`${topic}.${index}`);
  return all[index];
}

class Connection {
  partial = null;
  partialBytes = 0;
  head = null;
  running = [];
  isCorked = false;

  constructor(socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.data(chunk));
    socket.on('error', () => socket.destroy());
  }

  data(received) {
    let chunk = received;
    if (this.head !== null) {
      chunk = Buffer.concat([this.head, chunk]);
      this.head = null;
    }
    let at = 0;
    while (at < chunk.length) {
      if (this.partial !== null) {
        const copied = chunk.copy(this.partial, this.partialBytes, at);
        at += copied;
        this.partialBytes += copied;
        if (this.partialBytes < this.partial.length) return;
        const frame = this.partial;
        this.partial = null;
        this.frame(frame);
        continue;
      }
      if (chunk.length - at < 4) {
        this.head = chunk.subarray(at);
        return;
      }
      const sizeBytes = chunk.readInt32BE(at);
      at += 4;
      if (chunk.length - at >= sizeBytes) {
        this.frame(chunk.subarray(at, at + sizeBytes));
        at += sizeBytes;
      } else {
        this.partial = Buffer.allocUnsafeSlow(sizeBytes);
        this.partialBytes = 0;
      }
    }
  }

  frame(frame) {
    const key = frame.readInt16BE(0);
    if (key === 0) this.produce(frame);
    else if (key === 1) this.fetch(frame);
    else this.other(frame);
  }

  answer(entry) {
    entry.isDone = true;
    while (this.running[0]?.isDone) {
      const { buffers } = this.running.shift();
      if (buffers === null) continue;
      if (!this.isCorked) {
        this.isCorked = true;
        this.socket.cork();
        setImmediate(() => {
          this.isCorked = false;
          this.socket.uncork();
        });
      }
      for (const buffer of buffers) this.socket.write(buffer);
    }
  }

  produce(frame) {
    let at = 10 + Math.max(0, frame.readInt16BE(8));
    at += 2 + Math.max(0, frame.readInt16BE(at));
    const acks = frame.readInt16BE(at);
    at += 6;
    const topics = frame.readInt32BE(at);
    at += 4;
    const named = [];
    const entry = { isDone: false, buffers: null };
    let open = 1;
    const request = {
      settle: () => {
        open -= 1;
        if (open > 0) return;
        if (acks !== 0) entry.buffers = [produced(frame, named)];
        this.answer(entry);
      },
    };
    this.running.push(entry);
    for (let t = 0; t < topics; t++) {
      const length = frame.readInt16BE(at);
      const topic = frame.latin1Slice(at + 2, at + 2 + length);
      at += 2 + length;
      const count = frame.readInt32BE(at);
      at += 4;
      const answers = [];
      named.push({ topic, answers });
      for (let p = 0; p < count; p++) {
        const index = frame.readInt32BE(at);
        const sizeBytes = frame.readInt32BE(at + 4);
        at += 8;
        open += 1;
        const batch = frame.subarray(at, at + sizeBytes);
        answers.push({ index, offset: partitionOf(topic, index).append(batch, request) });
        at += sizeBytes;
      }
    }
    request.settle();
  }

  fetch(frame) {
    const version = frame.readInt16BE(2);
    let at = 10 + Math.max(0, frame.readInt16BE(8)) + 4;
    const maxWaitMs = frame.readInt32BE(at);
    const maxBytes = frame.readInt32BE(at + 8);
    at += 13;
    if (version >= 7) at += 8;
    const topics = [];
    const topicCount = frame.readInt32BE(at);
    at += 4;
    for (let t = 0; t < topicCount; t++) {
      const length = frame.readInt16BE(at);
      const topic = frame.latin1Slice(at + 2, at + 2 + length);
      at += 2 + length;
      const wanted = [];
      const count = frame.readInt32BE(at);
      at += 4;
      for (let p = 0; p < count; p++) {
        const index = frame.readInt32BE(at);
        at += version >= 9 ? 8 : 4;
        const offset = frame.readUInt32BE(at) * 2 ** 32 + frame.readUInt32BE(at + 4);
        at += version >= 5 ? 16 : 8;
        wanted.push({ index, offset, maxBytes: frame.readInt32BE(at) });
        at += 4;
      }
      topics.push({ topic, wanted });
    }
    const entry = { isDone: false, buffers: null };
    this.running.push(entry);
    const correlationId = frame.readInt32BE(4);
    void this.read({
      entry,
      topics,
      version,
      maxBytes,
      correlationId,
      deadline: Date.now() + maxWaitMs,
    });
  }

  async read(fetch) {
    let left = fetch.maxBytes;
    let isEmpty = true;
    for (const { topic, wanted } of fetch.topics) {
      for (const each of wanted) {
        if (left <= 0) {
          each.found = [];
          continue;
        }
        const found = partitionOf(topic, each.index).readFrom(
          each.offset,
          Math.min(left, each.maxBytes),
        );
        each.found = found instanceof Promise ? await found : found;
        for (const { length } of each.found) left -= length;
        isEmpty &&= each.found.length === 0;
      }
    }
    if (isEmpty && Date.now() < fetch.deadline) {
      this.sleep(fetch);
      return;
    }
    fetch.entry.buffers = fetched(fetch);
    this.answer(fetch.entry);
  }

  sleep(fetch) {
    const asleep = fetch.topics.flatMap(({ topic, wanted }) =>
      wanted.map(({ index }) => partitionOf(topic, index)),
    );
    const wake = () => {
      clearTimeout(timer);
      for (const { sleepers } of asleep) sleepers.delete(wake);
      void this.read(fetch);
    };
    const timer = setTimeout(wake, fetch.deadline - Date.now());
    for (const { sleepers } of asleep) sleepers.add(wake);
  }

  other(frame) {
    const header = decodeRequestHeader(frame);
    const entry = { isDone: false, buffers: null };
    this.running.push(entry);
    const { apiKey, apiVersion, correlationId, bodyOffset } = header;
    const api = Object.values(apis).find(({ key }) => key === apiKey);
    const isAsked = served.some((each) => each.apiKey === apiKey && each.maxVersion >= apiVersion);
    if (apiKey === apis.apiVersions.key) {
      const body = unsupportedApiVersions(served);
      if (isAsked) body.errorCode = 0;
      entry.buffers = encodeResponse(apis.apiVersions, 0, correlationId, body);
    } else {
      const request = api.request.decode(frame.subarray(bodyOffset), apiVersion);
      const body = apiKey === apis.metadata.key ? metadata(request) : offsets(request);
      entry.buffers = encodeResponse(api, apiVersion, correlationId, body);
    }
    this.answer(entry);
  }
}

function produced(frame, named) {
  let sizeBytes = 4 + 4 + 4 + 4;
  for (const { topic, answers } of named) sizeBytes += 2 + topic.length + 4 + answers.length * 30;
  const bytes = Buffer.allocUnsafe(sizeBytes);
  bytes.writeInt32BE(sizeBytes - 4, 0);
  bytes.writeInt32BE(frame.readInt32BE(4), 4);
  bytes.writeInt32BE(named.length, 8);
  let at = 12;
  const isOld = frame.readInt16BE(2) < 5; // Without the log's start.
  for (const { topic, answers } of named) {
    bytes.writeInt16BE(topic.length, at);
    bytes.latin1Write(topic, at + 2);
    at += 2 + topic.length;
    bytes.writeInt32BE(answers.length, at);
    at += 4;
    for (const { index, offset } of answers) {
      bytes.writeInt32BE(index, at);
      bytes.writeInt16BE(offset < 0 ? 2 : 0, at + 4);
      bytes.writeInt32BE(Math.floor(offset / 2 ** 32), at + 6);
      bytes.writeUInt32BE(offset >>> 0, at + 10);
      bytes.fill(0xff, at + 14, at + 22);
      at += 22;
      if (isOld) continue;
      bytes.fill(0, at, at + 8);
      at += 8;
    }
  }
  bytes.writeInt32BE(0, at);
  bytes.writeInt32BE(at, 0);
  return bytes.subarray(0, at + 4);
}

function fetched({ topics, version, correlationId }) {
  const buffers = [];
  let sizeBytes = 0;
  const add = (bytes) => {
    buffers.push(bytes);
    sizeBytes += bytes.length;
  };
  const head = Buffer.alloc(version >= 7 ? 22 : 16);
  head.writeInt32BE(correlationId, 4);
  head.writeInt32BE(topics.length, head.length - 4);
  add(head);
  for (const { topic, wanted } of topics) {
    const name = Buffer.alloc(2 + topic.length + 4);
    name.writeInt16BE(topic.length, 0);
    name.latin1Write(topic, 2);
    name.writeInt32BE(wanted.length, 2 + topic.length);
    add(name);
    for (const { index, found } of wanted) {
      const { endOffset } = partitionOf(topic, index);
      const part = Buffer.alloc(22 + (version >= 5 ? 8 : 0) + 4 + (version >= 11 ? 4 : 0) + 4);
      part.writeInt32BE(index, 0);
      for (const at of [6, 14]) {
        part.writeUInt32BE(Math.floor(endOffset / 2 ** 32), at);
        part.writeUInt32BE(endOffset >>> 0, at + 4);
      }
      if (version >= 11) part.writeInt32BE(-1, part.length - 8);
      part.writeInt32BE(
        found.reduce((sum, { length }) => sum + length, 0),
        part.length - 4,
      );
      add(part);
      for (const batch of found) add(batch);
    }
  }
  head.writeInt32BE(sizeBytes - 4, 0);
  return buffers;
}

function metadata({ topics }) {
  return {
    brokers: [{ nodeId: 0, host: '127.0.0.1', port: Number(port), rack: null }],
    clusterId: 'prototype',
    controllerId: 0,
    topics: (topics ?? []).map(({ name }) => ({
      errorCode: 0,
      name,
      isInternal: false,
      partitions: Array.from({ length: partitionCount(name) }, (_, partitionIndex) => ({
        errorCode: 0,
        partitionIndex,
        leaderId: 0,
        replicaNodes: [0],
        isrNodes: [0],
      })),
    })),
  };
}

/** The timestamp of a request for the beginning. */
const BEGINNING = -2;

function offsets({ topics }) {
  return {
    topics: topics.map(({ name, partitions: asked }) => ({
      name,
      partitions: asked.map(({ partitionIndex, timestamp }) => ({
        partitionIndex,
        errorCode: 0,
        timestamp: -1,
        offset: timestamp === BEGINNING ? 0 : partitionOf(name, partitionIndex).endOffset,
      })),
    })),
  };
}

createServer({ noDelay: true }, (socket) => new Connection(socket)).listen(
  Number(port),
  '127.0.0.1',
  () => console.log('serving'),
);
