/**
 * Goal: a simulated connection keeps the contract of runtime's Connection, and does under faults what TCP does.
 */
import { expect, test } from '@jest/globals';
import {
  AddressInUse,
  ConnectFailed,
  type Connection,
  type ConnectionHandler,
  type Environment,
} from '@odradek/runtime';
import { SimulatedWorld } from '../../src/index.ts';
import type { SimulatedHost } from '../../src/world/host.ts';

const PORT = 7;

/** One end, and what happened to it. */
class End implements ConnectionHandler {
  connection: Connection | null = null;
  received = '';
  readonly kept: Buffer[] = [];
  drained = 0;
  ended = false;
  closed: string | null = null;

  data(chunk: Buffer): void {
    this.received += chunk.toString('latin1');
    this.kept.push(chunk);
  }
  drain(): void {
    this.drained += 1;
  }
  end(): void {
    this.ended = true;
    this.connection?.end();
  }
  close(error?: Error): void {
    this.closed = error === undefined ? 'quietly' : String((error as { code?: string }).code);
  }
}

class Scene {
  readonly world: SimulatedWorld;
  readonly near: SimulatedHost;
  readonly far: SimulatedHost;
  readonly accepted: End[] = [];
  nearPorts!: Environment;
  farPorts!: Environment;

  constructor(seed: number) {
    this.world = new SimulatedWorld(seed, { tcpGiveUpMs: 10_000 });
    this.near = this.world.addHost('near');
    this.far = this.world.addHost('far');
  }

  async start(): Promise<this> {
    this.near.start((environment) => {
      this.nearPorts = environment;
    });
    this.far.start((environment) => {
      this.farPorts = environment;
      void this.listen();
    });
    await this.world.runFor(1);
    return this;
  }

  listen() {
    return this.farPorts.network.listen({ host: null, port: PORT }, (connection) => {
      const end = new End();
      end.connection = connection;
      this.accepted.push(end);
      return end;
    });
  }

  /** Connects; resolves in virtual time. */
  async connect(timeoutMs = 1_000): Promise<{ end: End } | { failure: unknown }> {
    const end = new End();
    let outcome: { end: End } | { failure: unknown } | null = null;
    this.nearPorts.network
      .connect({ host: 'far', port: PORT, timeoutMs }, (connection) => {
        end.connection = connection;
        return end;
      })
      .then(
        () => {
          outcome = { end };
        },
        (failure) => {
          outcome = { failure };
        },
      );
    await this.world.runUntil(() => outcome !== null, timeoutMs * 2);
    return outcome ?? { failure: 'no outcome' };
  }

  async pair(): Promise<[End, End]> {
    const outcome = await this.connect();
    await this.world.runFor(5);
    const other = this.accepted.at(-1);
    if (!('end' in outcome) || other === undefined) throw new Error('no connection');
    return [outcome.end, other];
  }
}

const scene = (seed: number): Promise<Scene> => new Scene(seed).start();
const text = (seed: number, sizeBytes: number): string =>
  Array.from({ length: sizeBytes }, (_, index) =>
    String.fromCharCode(97 + ((index * 7 + seed) % 26)),
  ).join('');

test.each([1, 2, 3, 4, 5])('bytes arrive whole and in order, seed %i', async (seed) => {
  const s = await scene(seed);
  const [near, far] = await s.pair();
  const sent = text(seed, 700_000);
  for (let at = 0; at < sent.length; at += 13_001) {
    near.connection?.write(Buffer.from(sent.slice(at, at + 13_001), 'latin1'));
  }
  near.connection?.end();
  await s.world.runFor(2_000);
  expect(far.received === sent).toBe(true);
  expect(far.ended).toBe(true);
  expect([near.closed, far.closed]).toEqual(['quietly', 'quietly']);
  // Whoever keeps a chunk keeps nothing.
  expect(far.kept.every((chunk) => chunk.every((byte) => byte === 0xdb))).toBe(true);
});

test('bytes may change once they are taken, and unsent ones are counted and drained', async () => {
  const s = await scene(6);
  const [near, far] = await s.pair();
  far.connection?.pause();
  const block = Buffer.alloc(100_000, 'a');
  let taken = 0;
  const answers = Array.from({ length: 8 }, () => near.connection?.write(block, () => taken++));
  expect(answers.includes(false)).toBe(true);
  await s.world.runFor(50);
  expect(far.received).toBe('');
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(8);
  expect(near.connection?.unsentBytes).toBe((8 - taken) * block.length);
  expect(near.drained).toBe(0);
  far.connection?.resume();
  await s.world.runFor(500);
  expect(taken).toBe(8);
  block.fill('b');
  expect(far.received).toBe('a'.repeat(800_000));
  expect(near.drained).toBe(1);
  expect(near.connection?.unsentBytes).toBe(0);
});

test('nothing is called from within a call on the connection', async () => {
  const s = await scene(7);
  const [near, far] = await s.pair();
  near.connection?.destroy();
  expect(near.closed).toBeNull();
  await s.world.runFor(10);
  expect(near.closed).toBe('quietly');
  expect(far.ended).toBe(true);
  expect(far.closed).toBe('quietly');
  expect(near.connection?.write(Buffer.from('x'))).toBe(false);
});

test('nobody listens: refused; a port is taken only once, and free again afterwards', async () => {
  const s = await scene(8);
  await expect(s.listen()).rejects.toThrow(AddressInUse);
  s.far.kill();
  const refused = await s.connect();
  expect(refused).toMatchObject({ failure: expect.any(ConnectFailed) });
  expect(String((refused as { failure: Error }).failure)).toContain('connection refused');
  await s.start();
  expect(await s.connect()).toHaveProperty('end');
});

test('a host that is cut off, or has no power, does not answer at all', async () => {
  const s = await scene(9);
  s.world.network.cut(s.near, s.far);
  const cut = (await s.connect(300)) as { failure: Error };
  expect(String(cut.failure)).toContain('no answer within 300 ms');
  s.world.network.heal(s.near, s.far);
  s.far.losePower();
  const dark = (await s.connect(300)) as { failure: Error };
  expect(String(dark.failure)).toContain('no answer within 300 ms');
});

test('a cut link keeps bytes waiting, and they come after it is healed', async () => {
  const s = await scene(10);
  const [near, far] = await s.pair();
  s.world.network.cut(s.near, s.far);
  near.connection?.write(Buffer.from('late'));
  await s.world.runFor(3_000);
  expect(far.received).toBe('');
  far.connection?.write(Buffer.from('the other way'));
  await s.world.runFor(100);
  expect(near.received).toBe('the other way');
  s.world.network.heal(s.near, s.far);
  await s.world.runFor(5_000);
  expect(far.received).toBe('late');
  expect([near.closed, far.closed]).toEqual([null, null]);
});

test('a cut that lasts ends the connection for who sends, and for nobody else', async () => {
  const s = await scene(11);
  const [near, far] = await s.pair();
  s.world.network.cut(s.near, s.far);
  s.world.network.cut(s.far, s.near);
  near.connection?.write(Buffer.from('lost'));
  await s.world.runFor(11_000);
  expect(near.closed).toBe('ETIMEDOUT');
  expect(far.closed).toBeNull();
});

test('a killed process ends its connections; a host without power only after it is back', async () => {
  const s = await scene(12);
  const [near] = await s.pair();
  s.far.kill();
  await s.world.runFor(10);
  expect(near.ended).toBe(true);
  const t = await scene(13);
  const [left] = await t.pair();
  t.far.losePower();
  left.connection?.write(Buffer.from('anybody there?'));
  await t.world.runFor(2_000);
  expect(left.closed).toBeNull();
  t.far.start(() => undefined);
  await t.world.runFor(2_000);
  expect(left.closed).toBe('ECONNRESET');
});

test('a reset breaks both ends, and drops what was on its way', async () => {
  const s = await scene(14);
  const [near, far] = await s.pair();
  near.connection?.write(Buffer.from('gone'));
  expect(s.world.network.breakConnections(s.near, s.far)).toBe(1);
  await s.world.runFor(100);
  expect([near.closed, far.closed]).toEqual(['ECONNRESET', 'ECONNRESET']);
  expect(far.received).toBe('');
});

test('a stopped process is connected to by its system, and reads everything when it goes on', async () => {
  const s = await scene(15);
  s.far.stop();
  const outcome = await s.connect();
  if (!('end' in outcome)) throw new Error('no connection');
  outcome.end.connection?.write(Buffer.from('are you there?'));
  await s.world.runFor(500);
  expect(s.accepted).toEqual([]);
  s.far.continue();
  await s.world.runFor(5);
  expect(s.accepted[0]?.received).toBe('are you there?');
});
