/**
 * Goal: whatever bytes a client sends, the server lives, answers everybody else, keeps no more memory than it
 * says, and stays the same tree for those bytes when it starts again.
 * Method: real frames of every operation, damaged by chance (bytes changed, cut, doubled, lengths and counts
 * made absurd), thousands of them over connections that come and go, with a bystander that is served throughout.
 */
import { afterEach, expect, test } from '@jest/globals';
import {
  addWatchRequest,
  authPacket,
  createTtlRequest,
  getAclRequest,
  multiEnd,
  multiHeader,
  opCodes,
  removeWatchesRequest,
  setAclRequest,
  setWatches2Request,
  setWatchesRequest,
  syncRequest,
  Writer,
} from '@odradek/protocol';
import fc from 'fast-check';
import { ManualTime } from '../support/manual-time.ts';
import { RawClient } from '../support/raw-client.ts';
import { anyone, create, read, remove, set } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const CONNECTIONS = 600;
const FRAMES_MAX = 12;
const FRAME_BYTES_MAX = 4096;
/** What the process may grow by: generous beside what it must hold, small beside one absurd allocation. */
const GROWTH_BYTES_MAX = 256 * 1024 * 1024;
const ANSWER_MS_MAX = 5_000;
/** A setACL may have hit the root. */
const NO_AUTH = -102;

const servers = new Servers();
afterEach(() => servers.stopAll());

function row(parts: readonly (readonly [number, Buffer])[]): Buffer {
  const writer = new Writer();
  for (const [type, body] of parts) {
    multiHeader.encodeInto(writer, { type, done: false, err: -1 });
    writer.copy(body);
  }
  multiHeader.encodeInto(writer, multiEnd);
  return writer.finishWhole();
}

const watches = {
  relativeZxid: 0n,
  dataWatches: ['/f', '/f/a'],
  existWatches: ['/f/none'],
  childWatches: ['/f'],
};

/** One good request of every kind. */
const golden: readonly (readonly [number, Buffer])[] = [
  [opCodes.create, create('/f/a', 'data')],
  [opCodes.create, create('/f/s-', 'data', 3)],
  [opCodes.create2, create('/f/b', null, 1)],
  [opCodes.createContainer, create('/f/c', 'x', 4)],
  [
    opCodes.createTtl,
    createTtlRequest.encode({ path: '/f/t', data: null, acl: anyone, flags: 5, ttl: 1000n }),
  ],
  [opCodes.delete, remove('/f/a')],
  [opCodes.setData, set('/f/a', 'more')],
  [opCodes.exists, read('/f/a', true)],
  [opCodes.getData, read('/f/a', true)],
  [opCodes.getChildren, read('/f', true)],
  [opCodes.getChildren2, read('/f', true)],
  [opCodes.getAcl, getAclRequest.encode({ path: '/f/a' })],
  [opCodes.setAcl, setAclRequest.encode({ path: '/f/a', acl: anyone, version: -1 })],
  [opCodes.sync, syncRequest.encode({ path: '/f' })],
  [opCodes.ping, Buffer.alloc(0)],
  [
    opCodes.multi,
    row([
      [opCodes.check, remove('/f')],
      [opCodes.create, create('/f/m')],
      [opCodes.setData, set('/f/m', 'x')],
      [opCodes.delete, remove('/f/m')],
    ]),
  ],
  [
    opCodes.multiRead,
    row([
      [opCodes.getData, read('/f')],
      [opCodes.getChildren, read('/f')],
    ]),
  ],
  [opCodes.auth, authPacket.encode({ type: 0, scheme: 'digest', auth: Buffer.from('u:p') })],
  [opCodes.setWatches, setWatchesRequest.encode(watches)],
  [
    opCodes.setWatches2,
    setWatches2Request.encode({
      ...watches,
      persistentWatches: ['/f'],
      persistentRecursiveWatches: ['/'],
    }),
  ],
  [opCodes.addWatch, addWatchRequest.encode({ path: '/f', mode: 1 })],
  [opCodes.removeWatches, removeWatchesRequest.encode({ path: '/f', type: 3 })],
  [opCodes.checkWatches, removeWatchesRequest.encode({ path: '/f', type: 3 })],
  [opCodes.getEphemerals, getAclRequest.encode({ path: '/f' })],
  [opCodes.getAllChildrenNumber, getAclRequest.encode({ path: '/f' })],
  [opCodes.whoAmI, Buffer.alloc(0)],
  [opCodes.reconfig, Buffer.alloc(20, 0xff)],
  [opCodes.sasl, Buffer.from('00000000', 'hex')],
  [opCodes.closeSession, Buffer.alloc(0)],
];

type Damage = Readonly<
  | { kind: 'none' }
  | { kind: 'byte'; at: number; value: number }
  | { kind: 'number'; at: number; value: number }
  | { kind: 'cut'; at: number }
  | { kind: 'double'; at: number }
>;

const damages: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('none') }),
  fc.record({ kind: fc.constant('byte'), at: fc.nat(400), value: fc.nat(255) }),
  fc.record({
    kind: fc.constant('number'),
    at: fc.nat(400),
    value: fc.constantFrom(-1, -2, 2 ** 31 - 1, -(2 ** 31), 0, 1, 65_536, 1_000_000, 0x00ff_ffff),
  }),
  fc.record({ kind: fc.constant('cut'), at: fc.nat(400) }),
  fc.record({ kind: fc.constant('double'), at: fc.nat(400) }),
);

const frames = fc.record({
  request: fc.nat(golden.length - 1),
  xid: fc.constantFrom(1, 0, -1, -2, -4, -8, 2 ** 31 - 1),
  damages: fc.array(damages, { maxLength: 3 }),
  /** The frame's own length is right, or it is damaged like the rest. */
  hasRightLength: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn > 0),
});
type Frame = typeof frames extends fc.Arbitrary<infer F> ? F : never;

function damaged(bytes: Buffer, damage: Damage): Buffer {
  if (damage.kind === 'none' || bytes.length === 0) return bytes;
  const at = damage.at % bytes.length;
  const copy = Buffer.from(bytes);
  switch (damage.kind) {
    case 'byte':
      copy.writeUInt8(damage.value, at);
      return copy;
    case 'number':
      if (at + 4 <= copy.length) copy.writeInt32BE(damage.value, at);
      return copy;
    case 'cut':
      return copy.subarray(0, at);
    case 'double':
      return Buffer.concat([copy, copy.subarray(at)]);
  }
}

function bytesOf({ request, xid, damages: all, hasRightLength }: Frame): Buffer {
  const [opCode, body] = golden[request] ?? [0, Buffer.alloc(0)];
  const header = Buffer.alloc(8);
  header.writeInt32BE(xid, 0);
  header.writeInt32BE(opCode, 4);
  const length = Buffer.alloc(4);
  const good = Buffer.concat([header, body]);
  if (hasRightLength) {
    const content = all.reduce(damaged, good);
    length.writeInt32BE(content.length);
    return Buffer.concat([length, content]);
  }
  length.writeInt32BE(good.length);
  return all.reduce(damaged, Buffer.concat([length, good]));
}

test(
  `${CONNECTIONS} connections with damaged frames: no crash, no hang, no memory, and a tree that starts again`,
  async () => {
    const settings = { 'jute.maxbuffer': FRAME_BYTES_MAX, extendedTypesEnabled: 'true' };
    // Time stands still: no session expires in one server and not yet in the other.
    const time = new ManualTime();
    const ports = { clock: time, timers: time };
    const server = await servers.start({ ...settings, maxClientCnxns: 0 }, ports);
    const bystander = await RawClient.open(server.port, { timeoutMs: 20_000 });
    expect((await bystander.request(1, opCodes.create, create('/f'))).err).toBe(0);
    const before = process.memoryUsage().rss;
    await fc.assert(
      fc.asyncProperty(
        fc.array(frames, { minLength: 1, maxLength: FRAMES_MAX }),
        fc.boolean(),
        async (row, hasSession) => {
          const client = hasSession
            ? await RawClient.open(server.port)
            : await RawClient.connect(server.port);
          client.write(Buffer.concat(row.map(bytesOf)));
          // A client that goes on is answered or cut off, and whoever waits beside it is answered.
          const { err } = await bystander.request(1, opCodes.exists, read('/'));
          expect([0, NO_AUTH]).toContain(err);
          client.destroy();
        },
      ),
      { numRuns: CONNECTIONS },
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(GROWTH_BYTES_MAX);
    const last = await bystander.request(2, opCodes.create, create('/f/last-'));
    expect(last.err === 0 || last.err === -101 || last.err === -102).toBe(true);

    const again = await servers.start(
      { ...settings, dataDir: await servers.crashImage(server) },
      ports,
    );
    const witness = await RawClient.open(again.port);
    for (const path of ['/', '/f']) {
      const [now, then] = await Promise.all([
        witness.request(1, opCodes.getChildren2, read(path)),
        bystander.request(3, opCodes.getChildren2, read(path)),
      ]);
      expect({ err: now.err, body: now.body }).toEqual({ err: then.err, body: then.body });
    }
    witness.destroy();
    bystander.destroy();
  },
  60_000 + CONNECTIONS * ANSWER_MS_MAX,
);
