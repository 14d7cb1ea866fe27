/**
 * The ports between servers, on a network in memory and on real sockets: links that come, go and come
 * again; who is refused and what both sides say; limits.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  AddressInUse,
  type Connection,
  type Network,
  nodeEnvironment,
  silentLog,
} from '@odradek/runtime';
import { encodePreamble } from '../../src/peers/frame.ts';
import { MemoryNetwork } from '../support/memory-network.ts';
import { note, Server, type ServerOptions, until } from './set-up.ts';

const running: Server[] = [];
const connections: Connection[] = [];
afterEach(async () => {
  for (const connection of connections.splice(0)) connection.destroy();
  await Promise.all(running.splice(0).map((server) => server.network.stop()));
});

let nextPort = 2_182;

/** Ports that nobody listens on. */
async function freePorts(network: Network, count: number): Promise<number[]> {
  const listeners = await Promise.all(
    Array.from({ length: count }, () =>
      network.listen({ host: '127.0.0.1', port: 0 }, () => ({ data() {}, close() {} })),
    ),
  );
  const ports = listeners.map(({ port }) => port);
  for (const listener of listeners) await listener.close();
  return ports;
}

/** mulberry32 */
function drawFrom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

const networks: [string, () => Network][] = [
  ['in memory', () => new MemoryNetwork(drawFrom(7))],
  ['on real sockets', () => nodeEnvironment({ log: silentLog }).network],
];

describe.each(networks)('%s', (kind, makeNetwork) => {
  interface Bench {
    readonly network: Network;
    /** Of the members `server.1` to `server.N`. */
    readonly text: string;
    readonly ports: readonly number[];
    server(id: number, options?: Partial<ServerOptions>): Server;
    start(id: number, options?: Partial<ServerOptions>): Promise<Server>;
  }

  async function bench(count: number, observers: readonly number[] = []): Promise<Bench> {
    const network = makeNetwork();
    const ports =
      kind === 'in memory'
        ? Array.from({ length: 2 * count }, () => nextPort++)
        : await freePorts(network, 2 * count);
    const text = Array.from({ length: count }, (_, index) => {
      const role = observers.includes(index + 1) ? 'observer' : 'participant';
      return `server.${index + 1}=127.0.0.1:${ports[2 * index]}:${ports[2 * index + 1]}:${role}`;
    }).join('\n');
    const server = (id: number, options: Partial<ServerOptions> = {}): Server => {
      const made = new Server(network, id, { text, ...options });
      running.push(made);
      return made;
    };
    return {
      network,
      text,
      ports,
      server,
      start: async (id, options) => {
        const started = server(id, options);
        await started.start();
        return started;
      },
    };
  }

  test('notes go to every voter; reachable is told when one comes and goes', async () => {
    const { start } = await bench(3);
    const one = await start(1);
    await until(() => one.reachable.length === 2);
    expect(one.reachable.map(([, isReachable]) => isReachable)).toEqual([false, false]);
    // Nobody is there yet: only the newest note counts.
    one.network.notify(2, note(1));
    one.network.notify(2, note(2));
    const two = await start(2);
    const three = await start(3);
    await until(() => two.notes.length > 0 && one.reaches(2) && one.reaches(3));
    expect(two.notes).toEqual([{ from: 1, note: note(2) }]);
    three.network.notify(1, note(9));
    await until(() => one.notes.length > 0);
    expect(one.notes).toEqual([{ from: 3, note: note(9) }]);
    await three.network.stop();
    await until(() => !one.reaches(3) && !two.reaches(3));
    running.splice(running.indexOf(three), 1);
    const again = await start(3);
    await until(() => one.reaches(3) && two.reaches(3) && again.reaches(1) && again.reaches(2));
  });

  test('an observer dials the voters, and hears their answers on its own link', async () => {
    const { start } = await bench(2, [2]);
    const one = await start(1);
    const two = await start(2);
    await until(() => two.reaches(1));
    expect(one.reachable).toEqual([]);
    two.network.notify(1, note(1));
    await until(() => one.notes.length === 1);
    one.network.notify(2, note(5));
    await until(() => two.notes.length === 1);
    expect(two.notes).toEqual([{ from: 1, note: note(5) }]);
  });

  test('a replication stream, both ways, in order, records as they were', async () => {
    const { start } = await bench(2);
    const leader = await start(1);
    const follower = await start(2);
    const inbox = await follower.follow(1);
    inbox.link.send({ kind: 'ack', zxid: 1n });
    inbox.link.send({ kind: 'tell', bytes: Buffer.from('request') });
    await until(() => (leader.learners[0]?.messages.length ?? 0) === 2);
    const [learner] = leader.learners;
    expect(learner?.link.peerId).toBe(2);
    expect(learner?.messages).toEqual([
      { kind: 'ack', zxid: 1n },
      { kind: 'tell', bytes: Buffer.from('request') },
    ]);
    const sizes = [0, 10, 100_000, 3_000_000, 7];
    for (const [index, size] of sizes.entries()) {
      learner?.link.send({
        kind: 'proposals',
        committedZxid: BigInt(index),
        entries: [
          {
            zxid: BigInt(index + 1),
            record: Buffer.alloc(size, index + 1),
            origin: { serverId: 2, requestId: index },
            ensembleText: null,
          },
        ],
      });
    }
    await until(() => inbox.messages.length === sizes.length);
    const records = inbox.messages.flatMap((message) =>
      message.kind === 'proposals' ? message.entries : [],
    );
    expect(records.map(({ record }) => record.length)).toEqual(sizes);
    for (const [index, { record, zxid, origin }] of records.entries()) {
      expect(zxid).toBe(BigInt(index + 1));
      expect(origin).toEqual({ serverId: 2, requestId: index });
      // Not overwritten by what was received later.
      expect(record.every((byte) => byte === index + 1)).toBe(true);
    }
  });

  test('a closed link: what was sent before arrives, and the other side hears why', async () => {
    const { start } = await bench(2);
    const leader = await start(1);
    const follower = await start(2);
    const inbox = await follower.follow(1);
    await until(() => leader.learners.length === 1);
    leader.learners[0]?.link.send({ kind: 'ping', ping: 3 });
    leader.learners[0]?.link.close('no quorum follows');
    leader.learners[0]?.link.send({ kind: 'ping', ping: 4 });
    await until(() => inbox.closings.length === 1);
    expect(inbox.messages).toEqual([{ kind: 'ping', ping: 3 }]);
    expect(inbox.closings).toEqual(['no quorum follows']);
    expect(leader.learners[0]?.closings).toEqual([]);
    await inbox.link.whenWritable();
  });

  test('a newer link of the same learner takes the place of the older', async () => {
    const { start } = await bench(2);
    const leader = await start(1);
    const follower = await start(2);
    const first = await follower.follow(1);
    await until(() => leader.learners.length === 1);
    await follower.follow(1);
    await until(() => leader.learners.length === 2 && first.closings.length === 1);
    expect(leader.learners[0]?.closings[0]).toMatch(/newer connection/);
  });

  test('who does not lead says so', async () => {
    const { start } = await bench(2);
    await start(1, { leads: false });
    const follower = await start(2);
    const inbox = await follower.follow(1);
    await until(() => inbox.closings.length === 1);
    expect(inbox.messages).toEqual([{ kind: 'refused', reason: 'this server does not lead' }]);
  });

  test('a leader that is not there, or not known, is unreachable', async () => {
    const { start } = await bench(2);
    const follower = await start(2);
    await expect(follower.follow(1)).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
      message: expect.stringMatching(/refused/),
    });
    await expect(follower.follow(9)).rejects.toThrow(/server 9 is not one of the members/);
  });

  test('somebody else picks up: both sides say so in one line', async () => {
    const { text, start } = await bench(3);
    const [line1 = '', line2 = '', line3 = ''] = text.split('\n');
    // In the eyes of server 1 the addresses of 2 and 3 are exchanged.
    const crossed = [line1, line3.replace('3=', '2='), line2.replace('2=', '3=')].join('\n');
    const one = await start(1, { text: crossed });
    const two = await start(2);
    await start(3);
    await until(() => one.reachable.length === 2);
    await expect(one.follow(2)).rejects.toThrow(/server 1 called server 2 and reached server 3/);
    await until(() => two.lines.some((line) => /called server 3 and reached server 2/.test(line)));
    expect(one.reachable.every(([, isReachable]) => !isReachable)).toBe(true);
    for (const { lines } of [one, two]) {
      const said = lines.filter((line) => /reached server/.test(line));
      expect(new Set(said).size).toBe(said.length);
    }
  });

  test('a server of another ensemble is refused, and named by both', async () => {
    const { start } = await bench(2);
    const one = await start(1, { identity: { clusterId: 'AAAA' } });
    const two = await start(2, { identity: { clusterId: 'BBBB' } });
    await expect(two.follow(1)).rejects.toThrow(/server 2 belongs to another ensemble \(BBBB/);
    const hasSaid = ({ lines }: Server): boolean =>
      lines.some((line) => /another ensemble/.test(line));
    await until(() => hasSaid(one) && hasSaid(two));
    expect(one.learners).toEqual([]);
  });

  test('other members at the same version are warned about, and work goes on', async () => {
    const { text, start } = await bench(2);
    const one = await start(1);
    const two = await start(2, { text: `${text}\nweight.1=3` });
    await until(() => one.reaches(2) && two.reaches(1));
    await until(() => one.lines.some((line) => /weight\.1 is 3 there and missing here/.test(line)));
    await until(() => two.lines.some((line) => /weight\.1 is 3 here and missing there/.test(line)));
  });

  test('a take-over: who was left behind is told and refused, an empty one is not', async () => {
    const { start } = await bench(3);
    const ahead = await start(1, { identity: { clusterId: 'AAAA', fence: 2 } });
    const behind = await start(2, { identity: { clusterId: 'AAAA' } });
    const empty = await start(3, { identity: { clusterId: null } });
    await until(() => behind.fences.includes(2));
    await expect(behind.follow(1)).rejects.toThrow(/left behind by a take-over/);
    await empty.follow(1);
    expect(empty.fences).toEqual([]);
    expect(ahead.fences).toEqual([]);
    expect(ahead.reaches(2)).toBe(false);
  });

  test('a port that is taken refuses the start in one line', async () => {
    const { start, server } = await bench(2);
    await start(1);
    await expect(server(1).start()).rejects.toThrow(AddressInUse);
  });

  test('members that go are let go; those that come are dialed', async () => {
    const { text, start } = await bench(3);
    const [line1 = '', line2 = '', line3 = ''] = text.split('\n');
    const one = await start(1, { text: `${line1}\n${line2}` });
    const two = await start(2);
    const three = await start(3);
    await until(() => one.reaches(2));
    const learner = await two.follow(1);
    expect(one.reachable.some(([id]) => id === 3)).toBe(false);
    one.network.reconfigure(`${line1}\n${line3}\nversion=1`);
    await until(() => one.reaches(3) && learner.closings.length === 1);
    expect(one.learners[0]?.closings).toEqual(['it is not one of the members any more']);
    await until(() => three.reaches(1));
  });

  test('a server whose own address changes listens there', async () => {
    const { network, text, start } = await bench(2);
    const one = await start(1);
    const ports = kind === 'in memory' ? [nextPort++, nextPort++] : await freePorts(network, 2);
    const moved = `${text.replace(/server\.1=.*/, `server.1=127.0.0.1:${ports[0]}:${ports[1]}`)}\nversion=1`;
    one.network.reconfigure(moved);
    const two = await start(2, { text: moved });
    await until(() => two.reaches(1));
    await two.follow(1);
  });

  test.each([
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n'), /speaks something else/],
    [
      'another version',
      Buffer.from('4f64725000630001', 'hex'),
      /speaks version 99 of the protocol between servers, this server version 1/,
    ],
    [
      'the other port',
      encodePreamble('replication'),
      /the two ports in a server line are mixed up/,
    ],
    [
      'no greeting, but rubbish',
      Buffer.concat([encodePreamble('election'), Buffer.alloc(64, 1)]),
      /a frame of 16843009 bytes; at most/,
    ],
  ])('a stranger is refused with one line: %s', async (_, bytes, expected) => {
    const { network, ports, start } = await bench(1);
    const one = await start(1);
    for (let attempt = 0; attempt < 3; attempt++) {
      let isClosed = false;
      const connection = await network.connect(
        { host: '127.0.0.1', port: ports[1] ?? 0, timeoutMs: 1_000 },
        () => ({
          data() {},
          close() {
            isClosed = true;
          },
        }),
      );
      connection.write(bytes);
      await until(() => isClosed);
    }
    expect(one.lines.filter((line) => expected.test(line))).toHaveLength(1);
  });

  test('who says nothing is cut off, and only so many may wait', async () => {
    const { network, ports, start } = await bench(1);
    const one = await start(1, { limits: { ungreetedMax: 3 } });
    let closed = 0;
    const open = async (): Promise<void> => {
      const connection = await network.connect(
        { host: '127.0.0.1', port: ports[0] ?? 0, timeoutMs: 1_000 },
        () => ({
          data() {},
          close() {
            closed += 1;
          },
        }),
      );
      connections.push(connection);
    };
    for (let count = 0; count < 5; count++) await open();
    await until(() => closed === 2);
    expect(one.lines.some((line) => /more than 3 have not greeted yet/.test(line))).toBe(true);
  });

  test('damage on the way closes the link with a line that says so', async () => {
    const { network, text, start } = await bench(2);
    const leader = await start(1);
    // A network that flips a bit in the first long write.
    const damaging: Network = {
      listen: (address, accept) => network.listen(address, accept),
      connect: (address, attach) =>
        network.connect(address, (connection) =>
          attach(
            new Proxy(connection, {
              get(target, name) {
                if (name !== 'write') {
                  const value = Reflect.get(target, name, target);
                  return typeof value === 'function' ? value.bind(target) : value;
                }
                return (bytes: Uint8Array, taken?: () => void) => {
                  const copy = Buffer.from(bytes);
                  if (copy.length > 1_000) copy[500] = (copy[500] ?? 0) ^ 4;
                  return target.write(copy, taken);
                };
              },
            }),
          ),
        ),
    };
    const follower = new Server(damaging, 2, { text });
    running.push(follower);
    await follower.start();
    const inbox = await follower.follow(1);
    inbox.link.send({ kind: 'tell', bytes: Buffer.alloc(2_000, 1) });
    await until(() => leader.learners[0]?.closings.length === 1);
    expect(leader.learners[0]?.closings[0]).toMatch(/damaged on its way/);
    expect(leader.learners[0]?.messages).toEqual([]);
  });
});
