/**
 * Peers that are there and do not answer, and peers that do not read: found, given up, taken back,
 * with bounded memory.
 */
import { afterEach, expect, test } from '@jest/globals';
import { type ConnectionHandler, type Network, nodeEnvironment, silentLog } from '@odradek/runtime';
import { note, Server, type ServerOptions, until } from './set-up.ts';

const HOST = '127.0.0.1';
const { network } = nodeEnvironment({ log: silentLog });
const running: Server[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.network.stop()));
});

async function start(id: number, options: ServerOptions, over = network): Promise<Server> {
  const server = new Server(over, id, options);
  running.push(server);
  await server.start();
  return server;
}

async function membersText(): Promise<string> {
  const listeners = await Promise.all(
    Array.from({ length: 4 }, () =>
      network.listen({ host: HOST, port: 0 }, () => ({ data() {}, close() {} })),
    ),
  );
  const [a, b, c, d] = listeners.map(({ port }) => port);
  for (const listener of listeners) await listener.close();
  return `server.1=${HOST}:${a}:${b}\nserver.2=${HOST}:${c}:${d}`;
}

/** A network whose cable can be pulled: connections stand and carry nothing, new ones do not come about. */
class Cable implements Network {
  isOut = false;

  listen: Network['listen'] = (address, accept) =>
    network.listen(address, (connection) => this.#through(accept(connection)));

  connect: Network['connect'] = (address, attach) =>
    network.connect({ ...address, timeoutMs: this.isOut ? 1 : address.timeoutMs }, (connection) =>
      this.#through(attach(connection)),
    );

  #through(handler: ConnectionHandler): ConnectionHandler {
    return {
      data: (chunk) => {
        if (!this.isOut) handler.data(chunk);
      },
      drain: () => handler.drain?.(),
      close: (error) => handler.close(error),
    };
  }
}

test('a peer behind a link that carries nothing any more is found out, and found again', async () => {
  const text = await membersText();
  const cable = new Cable();
  const quick = { probeMs: 10, missedProbesMax: 3, electionConnectMs: 100 };
  const one = await start(1, { text, limits: quick }, cable);
  const two = await start(2, { text, limits: quick });
  await until(() => one.reaches(2) && two.reaches(1));
  cable.isOut = true;
  await until(() => !one.reaches(2) && !two.reaches(1));
  expect(one.lines.some((line) => /no sign of life for 3 probes/.test(line))).toBe(true);
  one.network.notify(2, note(3));
  cable.isOut = false;
  await until(() => one.reaches(2) && two.reaches(1) && two.notes.length === 1);
});

const part = (sizeBytes: number) =>
  ({ kind: 'snapshotPart', entries: [Buffer.alloc(sizeBytes, 1)] }) as const;

test('who does not read holds the sender back, and gets all of it in the end', async () => {
  const text = await membersText();
  const limits = { unsentBytesMax: 64 * 1024 * 1024 };
  const leader = await start(1, { text, limits });
  const follower = await start(2, { text });
  const inbox = await follower.follow(1);
  await until(() => leader.learners.length === 1);
  const [link] = leader.learners.map((learner) => learner.link);
  inbox.link.pause();
  let sent = 0;
  while (link !== undefined && link.unsentBytes < 40 * 1024 * 1024) {
    link.send(part(1024 * 1024));
    sent += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  let isWritable = false;
  void link?.whenWritable().then(() => {
    isWritable = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isWritable).toBe(false);
  inbox.link.resume();
  await until(() => isWritable);
  await until(() => inbox.messages.length === sent);
  expect(link?.unsentBytes).toBe(0);
});

test('who reads nothing at all is given up at the limit', async () => {
  const text = await membersText();
  const leader = await start(1, { text, limits: { unsentBytesMax: 16 * 1024 * 1024 } });
  const follower = await start(2, { text });
  const inbox = await follower.follow(1);
  await until(() => leader.learners.length === 1);
  inbox.link.pause();
  const [learner] = leader.learners;
  for (let count = 0; count < 100 && learner?.closings.length === 0; count++) {
    learner.link.send(part(1024 * 1024));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(learner?.closings).toEqual(['it reads too slowly: more than 16777216 bytes wait for it']);
  await learner?.link.whenWritable();
});

test('a link to a peer that is paused is closed all the same', async () => {
  const text = await membersText();
  const leader = await start(1, { text });
  const follower = await start(2, { text });
  const inbox = await follower.follow(1);
  await until(() => leader.learners.length === 1);
  inbox.link.pause();
  inbox.link.close('enough');
  await until(() => leader.learners[0]?.closings.length === 1);
  expect(leader.learners[0]?.closings).toEqual(['enough']);
});

test('a message that goes to many learners is made bytes once', async () => {
  const text = await membersText();
  const leader = await start(1, { text });
  const follower = await start(2, { text });
  await follower.follow(1);
  // A server that is not a member (yet).
  const joiner = await start(9, { text });
  const third = await joiner.follow(1);
  await until(() => leader.learners.length === 2);
  // Its length is asked for when it is made bytes, and only then.
  let asked = 0;
  const entries: Uint8Array[] = [Buffer.from('entry')];
  const message = {
    kind: 'snapshotPart',
    get entries() {
      asked += 1;
      return entries;
    },
  } as const;
  for (const { link } of leader.learners) link.send(message);
  const once = asked;
  leader.learners[0]?.link.send({ kind: 'ping', ping: 1 });
  leader.learners[0]?.link.send(message);
  expect(asked).toBe(2 * once);
  await until(() => third.messages.length === 1);
});
