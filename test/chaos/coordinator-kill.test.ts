/**
 * Real processes and kill -9: the coordination server dies again and again at any moment under writes, and starts on
 * what it left. Everything acknowledged must be there, and each client's writes must be there in order up to a point.
 */
import { connect, type Socket } from 'node:net';
import { afterAll, expect, test } from '@jest/globals';
import {
  connectRequest,
  createRequest,
  getChildrenResponse,
  getDataRequest,
  JuteFrameSplitter,
  opCodes,
} from '@odradek/protocol';
import { startCoordinator } from '../support/cluster.ts';
import { Workspace } from '../support/workspace.ts';

const DEATHS = 24;
const IN_FLIGHT = 40;
const LIFE_MS_MAX = 250;

const workspace = new Workspace();
afterAll(() => workspace.dispose());

/** A session over which requests are pipelined; all answers fail once the server is gone. */
class Pipe {
  readonly #socket: Socket;
  readonly #splitter = new JuteFrameSplitter(64 * 1024 * 1024);
  readonly #waiting: ((frame: Buffer | null) => void)[] = [];

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => {
      this.#splitter.push(chunk);
      for (let frame = this.#splitter.next(); frame !== null; frame = this.#splitter.next()) {
        this.#waiting.shift()?.(frame.buffer.subarray(frame.position, frame.end));
      }
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      for (const waiting of this.#waiting.splice(0)) waiting(null);
    });
  }

  greet(): Promise<Buffer | null> {
    return this.#send(
      connectRequest.encode({
        protocolVersion: 0,
        lastZxidSeen: 0n,
        timeOut: 10_000,
        sessionId: 0n,
        passwd: Buffer.alloc(16),
        readOnly: false,
      }),
    );
  }

  /** @returns the reply's frame, null when the server died first */
  ask(opCode: number, body: Buffer): Promise<Buffer | null> {
    const header = Buffer.alloc(8);
    header.writeInt32BE(1, 0);
    header.writeInt32BE(opCode, 4);
    return this.#send(Buffer.concat([header, body]));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #send(body: Buffer): Promise<Buffer | null> {
    if (this.#socket.destroyed) return Promise.resolve(null);
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length);
    this.#socket.write(Buffer.concat([length, body]));
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

const node = (path: string): Buffer =>
  createRequest.encode({
    path,
    data: Buffer.alloc(200, 'x'),
    acl: [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }],
    flags: 0,
  });

test(`${DEATHS} times kill -9 under writes: nothing acknowledged is lost, nothing is there out of order`, async () => {
  let coordinator = await startCoordinator(workspace, undefined, { snapCount: '500' });
  let sent = 0;
  let acknowledged = 0;
  const first = new Pipe(coordinator.port);
  await first.greet();
  expect((await first.ask(opCodes.create, node('/life')))?.readInt32BE(12)).toBe(0);
  first.destroy();
  for (let death = 0; death < DEATHS; death += 1) {
    const pipe = new Pipe(coordinator.port);
    await pipe.greet();
    const beganWith = sent;
    const failures: number[] = [];
    const pump = async (): Promise<void> => {
      for (;;) {
        const number = sent;
        sent += 1;
        const reply = await pipe.ask(opCodes.create, node(`/life/${number}`));
        if (reply === null) return;
        if (reply.readInt32BE(12) !== 0) failures.push(number);
        acknowledged = Math.max(acknowledged, number + 1);
      }
    };
    const pumps = Array.from({ length: IN_FLIGHT }, pump);
    await new Promise((resolve) => setTimeout(resolve, (LIFE_MS_MAX * (death + 1)) / DEATHS));
    await coordinator.daemon.stop('SIGKILL');
    await Promise.all(pumps);
    expect(failures).toEqual([]);
    coordinator = await coordinator.restart();

    const reader = new Pipe(coordinator.port);
    await reader.greet();
    const reply = await reader.ask(
      opCodes.getChildren,
      getDataRequest.encode({ path: '/life', watch: false }),
    );
    reader.destroy();
    expect(reply).not.toBeNull();
    if (reply === null) return;
    const found = new Set(getChildrenResponse.decode(reply.subarray(16)).children.map(Number));
    const there = found.size;
    expect(there).toBeGreaterThanOrEqual(acknowledged);
    expect(there).toBeLessThanOrEqual(sent);
    for (let number = 0; number < there; number += 1) expect(found.has(number)).toBe(true);
    expect(there).toBeGreaterThanOrEqual(beganWith);
    sent = there;
    acknowledged = there;
  }
  expect(acknowledged).toBeGreaterThan(DEATHS * IN_FLIGHT);
});
