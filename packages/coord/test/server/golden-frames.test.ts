/**
 * Goal: byte for byte what Apache ZooKeeper 3.9.5 answers.
 * Method: a recorded conversation is replayed against a server whose clocks are set so that session
 * id, zxids and times come out as they were recorded. Frames are complete, with their length.
 */
import { afterEach, expect, test } from '@jest/globals';
import { createRequest, deleteRequest, opCodes, setAclRequest } from '@odradek/protocol';
import { ManualTime } from '../support/manual-time.ts';
import { hex, RawClient } from '../support/raw-client.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
afterEach(() => servers.stopAll());

const open = '00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65';
const anyone = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];
const nope = deleteRequest.encode({ path: '/nope', version: -1 });

interface Step {
  readonly what: string;
  /** Wall clock of the server when it prepares this, if it matters. */
  readonly at?: number;
  readonly send: string;
  /** Frames that come back, in order; null: one frame whose bytes were not recorded. */
  readonly receive: readonly string[] | null;
}

const recorded: readonly Step[] = [
  {
    what: 'create /v',
    at: 0x1a1f6b44f21,
    send: `00000033 00000001 00000001 00000002 2f76 00000002 6869 ${open} 00000000`,
    receive: ['00000016 00000001 000000000000019a 00000000 00000002 2f76'],
  },
  {
    what: 'create2 /v/s- sequential',
    at: 0x1a1f6b44f22,
    send: `00000034 00000002 0000000f 00000005 2f762f732d 00000000 ${open} 00000002`,
    receive: [
      `00000067 00000002 000000000000019b 00000000 0000000f 2f762f732d30303030303030303030
       000000000000019b 000000000000019b 000001a1f6b44f22 000001a1f6b44f22 00000000 00000000 00000000
       0000000000000000 00000000 00000000 000000000000019b`,
    ],
  },
  {
    what: 'createTTL /v/t',
    send: `0000003b 00000003 00000015 00000004 2f762f74 ffffffff ${open} 00000005 000000000000ea60`,
    receive: null,
  },
  {
    what: 'createContainer /v/c',
    send: `00000034 00000004 00000013 00000004 2f762f63 00000001 63 ${open} 00000004`,
    receive: null,
  },
  {
    what: 'exists /v/n, watched, missing',
    send: '00000011 00000005 00000003 00000004 2f762f6e 01',
    receive: ['00000010 00000005 000000000000019d ffffff9b'],
  },
  {
    what: 'getChildren2 /v, watched; names in the order of their creation here',
    send: '0000000f 00000006 0000000c 00000002 2f76 01',
    receive: [
      `00000072 00000006 000000000000019d 00000000
       00000003 0000000c 732d30303030303030303030 00000001 74 00000001 63
       000000000000019a 000000000000019a 000001a1f6b44f21 000001a1f6b44f21 00000000 00000003 00000000
       0000000000000000 00000002 00000003 000000000000019d`,
    ],
  },
  {
    what: 'create /v/n ephemeral: events first',
    at: 0x1a1f6b44f26,
    send: `00000034 00000007 00000001 00000004 2f762f6e 00000001 78 ${open} 00000001`,
    receive: [
      '00000020 ffffffff 000000000000019e 00000000 00000001 00000003 00000004 2f762f6e',
      '0000001e ffffffff 000000000000019e 00000000 00000004 00000003 00000002 2f76',
      '00000018 00000007 000000000000019e 00000000 00000004 2f762f6e',
    ],
  },
  {
    what: 'getData /v/n',
    send: '00000011 00000008 00000004 00000004 2f762f6e 00',
    receive: [
      `00000059 00000008 000000000000019e 00000000 00000001 78
       000000000000019e 000000000000019e 000001a1f6b44f26 000001a1f6b44f26 00000000 00000000 00000000
       0100000d8be7005b 00000001 00000000 000000000000019e`,
    ],
  },
  {
    what: 'setData /v/n',
    send: '0000001a 00000009 00000005 00000004 2f762f6e 00000002 7878 00000000',
    receive: null,
  },
  {
    what: 'setData with a wrong version: the zxid is used up',
    send: '0000001a 0000000a 00000005 00000004 2f762f6e 00000002 7979 00000000',
    receive: ['00000010 0000000a 00000000000001a0 ffffff99'],
  },
  {
    what: 'getACL /v',
    send: '0000000e 0000000b 00000006 00000002 2f76',
    receive: [
      `0000006f 0000000b 00000000000001a0 00000000 ${open}
       000000000000019a 000000000000019a 000001a1f6b44f21 000001a1f6b44f21 00000000 00000004 00000000
       0000000000000000 00000002 00000004 000000000000019e`,
    ],
  },
];

const afterSetAcl: readonly Step[] = [
  {
    what: 'sync /v',
    send: '0000000e 0000000e 00000009 00000002 2f76',
    receive: ['00000016 0000000e 00000000000001a1 00000000 00000002 2f76'],
  },
  {
    what: 'ping',
    send: '00000008 fffffffe 0000000b',
    receive: ['00000010 fffffffe 00000000000001a1 00000000'],
  },
  {
    what: 'multi: check, create, setData, delete',
    at: 0x1a1f6b44f30,
    send: `00000087 0000000f 0000000e  0000000d 00 ffffffff 00000002 2f76 00000000
      00000001 00 ffffffff 00000004 2f762f6d 00000000 ${open} 00000000
      00000005 00 ffffffff 00000004 2f762f6d 00000001 7a 00000000
      00000002 00 ffffffff 00000004 2f762f6d 00000001   ffffffff 01 ffffffff`,
    receive: [
      `00000089 0000000f 00000000000001a2 00000000  0000000d 00 00000000
       00000001 00 00000000 00000004 2f762f6d
       00000005 00 00000000 00000000000001a2 00000000000001a2 000001a1f6b44f30 000001a1f6b44f30
         00000001 00000000 00000000 0000000000000000 00000001 00000000 00000000000001a2
       00000002 00 00000000   ffffffff 01 ffffffff`,
    ],
  },
  {
    what: 'multi that fails at its second of three operations',
    send: `0000008f 00000010 0000000e
      00000001 00 ffffffff 00000004 2f762f78 00000000 ${open} 00000000
      00000002 00 ffffffff 00000005 2f6e6f7065 ffffffff
      00000001 00 ffffffff 00000004 2f762f79 00000000 ${open} 00000000 ffffffff 01 ffffffff`,
    receive: [
      `00000040 00000010 00000000000001a3 00000000  ffffffff 00 00000000 00000000
       ffffffff 00 ffffff9b ffffff9b  ffffffff 00 fffffffe fffffffe  ffffffff 01 ffffffff`,
    ],
  },
  {
    what: 'multiRead: getData /v, getChildren /nope',
    send: `00000034 00000011 00000016  00000004 00 ffffffff 00000002 2f76 00
      00000008 00 ffffffff 00000005 2f6e6f7065 00   ffffffff 01 ffffffff`,
    receive: [
      `00000079 00000011 00000000000001a3 00000000   00000004 00 00000000 00000002 6869
       000000000000019a 000000000000019a 000001a1f6b44f21 000001a1f6b44f21 00000000 00000006 00000001
       0000000000000000 00000002 00000004 00000000000001a2
       ffffffff 00 ffffff9b ffffff9b   ffffffff 01 ffffffff`,
    ],
  },
  {
    what: 'auth digest u:p',
    send: '0000001d fffffffc 00000064 00000000 00000006 646967657374 00000003 753a70',
    receive: ['00000010 fffffffc 0000000000000000 00000000'],
  },
  {
    what: 'whoAmI',
    send: '00000008 00000012 0000006b',
    receive: [
      `00000036 00000012 00000000000001a3 00000000 00000002
       00000002 6970 00000009 3132372e302e302e31 00000006 646967657374 00000001 75`,
    ],
  },
  {
    what: 'getEphemerals /v',
    send: '0000000e 00000013 00000067 00000002 2f76',
    receive: ['0000001c 00000013 00000000000001a3 00000000 00000001 00000004 2f762f6e'],
  },
  {
    what: 'getAllChildrenNumber /v',
    send: '0000000e 00000014 00000068 00000002 2f76',
    receive: ['00000014 00000014 00000000000001a3 00000000 00000004'],
  },
  {
    what: 'addWatch /v recursive',
    send: '00000012 00000015 0000006a 00000002 2f76 00000001',
    receive: ['00000014 00000015 00000000000001a3 00000000 00000000'],
  },
  {
    what: 'removeWatches /v any',
    send: '00000012 00000016 00000012 00000002 2f76 00000003',
    receive: ['00000010 00000016 00000000000001a3 00000000'],
  },
  {
    what: 'removeWatches again',
    send: '00000012 00000016 00000012 00000002 2f76 00000003',
    receive: ['00000010 00000016 00000000000001a3 ffffff87'],
  },
  {
    what: 'setWatches from zxid 0: both fire',
    send: '00000028 fffffff8 00000065 0000000000000000 00000001 00000002 2f76 00000000 00000001 00000002 2f76',
    receive: [
      '0000001e ffffffff ffffffffffffffff 00000000 00000003 00000003 00000002 2f76',
      '0000001e ffffffff ffffffffffffffff 00000000 00000004 00000003 00000002 2f76',
      '00000010 fffffff8 00000000000001a3 00000000',
    ],
  },
  {
    what: 'delete /v/n',
    send: '00000014 00000018 00000002 00000004 2f762f6e ffffffff',
    receive: ['00000010 00000018 00000000000001a4 00000000'],
  },
];

/** Brings a fresh server to the zxid before the recording, with the session that was recorded. */
async function recordedSession(time: ManualTime): Promise<RawClient> {
  time.wallMs = 0xd8be7;
  const { port } = await servers.start(
    { extendedTypesEnabled: 'true', maxClientCnxns: 0 },
    { clock: time, timers: time },
  );
  for (let index = 0; index < 0x5b; index += 1) (await RawClient.open(port)).destroy();
  const client = await RawClient.open(port);
  for (let zxid = 0x5c; zxid < 0x199; zxid += 1) client.send(0, opCodes.delete, nope);
  for (let zxid = 0x5c; zxid < 0x199; zxid += 1) await client.reply();
  return client;
}

async function replay(client: RawClient, time: ManualTime, steps: readonly Step[]): Promise<void> {
  for (const { what, at, send, receive } of steps) {
    if (at !== undefined) time.wallMs = at;
    client.write(hex(send));
    for (const expected of receive ?? [null]) {
      const body = await client.next();
      const frame = Buffer.concat([Buffer.alloc(4), body ?? Buffer.alloc(0)]);
      frame.writeInt32BE(frame.length - 4);
      if (expected === null) continue;
      expect(`${what}: ${frame.toString('hex')}`).toBe(`${what}: ${hex(expected).toString('hex')}`);
    }
  }
}

test('a conversation with 3.9.5, byte for byte', async () => {
  const time = new ManualTime();
  const client = await recordedSession(time);
  expect(client.sessionId).toBe(0x100000d8be7005bn);
  await replay(client, time, recorded);
  const acl = setAclRequest.encode({ path: '/v', acl: anyone, version: 0 });
  expect((await client.request(12, opCodes.setAcl, acl)).zxid).toBe(0x1a1n);
  await replay(client, time, afterSetAcl);
  for (let zxid = 0x1a4; zxid < 0x1a8; zxid += 1) await client.request(0, opCodes.delete, nope);
  client.write(hex('00000008 0000001d fffffff5'));
  const [closing, ...more] = await client.untilClosed();
  expect(closing).toEqual(hex('0000001d 00000000000001a9 00000000'));
  expect(more).toEqual([]);
});

test('a handshake without the read-only byte gets an answer without it', async () => {
  const { port } = await servers.start();
  const client = await RawClient.connect(port);
  client.write(
    hex(`0000002c 00000000 0000000000000000 00001388 0000000000000000 00000010 ${'00'.repeat(16)}`),
  );
  const answer = await client.next();
  expect(answer?.length).toBe(36);
  expect(answer?.subarray(0, 8)).toEqual(hex('00000000 00001388'));
  const create = createRequest.encode({ path: '/a', data: null, acl: anyone, flags: 0 });
  expect((await client.request(0, opCodes.create, create)).err).toBe(0);
  client.destroy();
});
