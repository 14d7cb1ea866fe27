/** Random operations of every kind that ends in a transaction, sent to any server as raw frames. */

import {
  authPacket,
  checkVersionRequest,
  createRequest,
  createTtlRequest,
  deleteRequest,
  type InputOf,
  multiEnd,
  multiHeader,
  opCodes,
  setAclRequest,
  setDataRequest,
  Writer,
} from '@odradek/protocol';
import { RawClient } from '../../support/raw-client.ts';

type AclEntryInput = NonNullable<InputOf<typeof createRequest>['acl']>[number];

/** Requests on their way at once. */
const WINDOW = 64;

const open: AclEntryInput[] = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];
const lists: readonly AclEntryInput[][] = [
  open,
  [{ perms: 1, id: { scheme: 'world', id: 'anyone' } }],
  [
    { perms: 31, id: { scheme: 'digest', id: 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=' } },
    { perms: 5, id: { scheme: 'ip', id: '10.0.0.0/8' } },
  ],
  [{ perms: 31, id: { scheme: 'auth', id: '' } }],
  [{ perms: 31, id: { scheme: 'digest', id: 'ä:AAAA' } }],
];

/** A generator that gives the same numbers for the same seed (mulberry32). */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

export interface WorkloadOptions {
  readonly port: number;
  readonly seed: number;
  readonly operations: number;
  /** 3.5 and later: create2, containers, times to live. */
  readonly modern: boolean;
  readonly sessions?: number;
}

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #below: (limit: number) => number;
  #xid = 0;
  readonly #clients: RawClient[] = [];

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#below = randomFrom(options.seed);
  }

  /** The sessions that are open at the end; their connections are too. */
  get clients(): readonly RawClient[] {
    return this.#clients;
  }

  async run(): Promise<void> {
    const { operations, sessions = 3 } = this.#options;
    while (this.#clients.length < sessions) this.#clients.push(await this.#open());
    await this.#quota();
    let done = 0;
    while (done < operations) {
      const client = this.#pick(this.#clients);
      const count = Math.min(WINDOW, operations - done, 1 + this.#below(WINDOW));
      for (let n = 0; n < count; n += 1) this.#send(client);
      for (let n = 0; n < count; n += 1) await client.reply();
      done += count;
      if (this.#below(6) === 0) await this.#replaceSession();
    }
  }

  /** Leaves the sessions to themselves. */
  close(): void {
    for (const client of this.#clients) client.destroy();
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)] as T;
  }

  async #open(): Promise<RawClient> {
    const { port } = this.#options;
    const client = await RawClient.open(port, { timeoutMs: 60_000 + this.#below(60) * 1000 });
    const credentials = { type: 0, scheme: 'digest', auth: Buffer.from('u:p') };
    await client.request(-4, opCodes.auth, authPacket.encode(credentials));
    return client;
  }

  /** Ends one session, orderly or by leaving it alone, and opens another. */
  async #replaceSession(): Promise<void> {
    const index = this.#below(this.#clients.length);
    const client = this.#clients[index] as RawClient;
    if (this.#below(3) > 0) await client.request(++this.#xid, opCodes.closeSession);
    client.destroy();
    this.#clients[index] = await this.#open();
  }

  async #quota(): Promise<void> {
    const client = this.#pick(this.#clients);
    for (const [path, data] of [
      ['/n0', 'zero'],
      ['/zookeeper/quota/n0', ''],
      ['/zookeeper/quota/n0/zookeeper_limits', 'count=1000,bytes=1000000'],
      ['/zookeeper/quota/n0/zookeeper_stats', 'count=0,bytes=0'],
    ] as const) {
      const body = createRequest.encode({ path, data: Buffer.from(data), acl: open, flags: 0 });
      await client.request(++this.#xid, opCodes.create, body);
    }
  }

  #path(): string {
    let path = '';
    const depth = 1 + this.#below(3);
    for (let level = 0; level < depth; level += 1) {
      const name = this.#below(20) === 0 ? 'ünï-日本' : `n${this.#below(level === 0 ? 4 : 6)}`;
      path += `/${name}`;
    }
    return path;
  }

  #data(): Buffer | null {
    const kind = this.#below(12);
    if (kind === 0) return null;
    if (kind === 1) return Buffer.alloc(0);
    return Buffer.alloc(this.#below(kind === 2 ? 600 : 30), this.#below(256));
  }

  #send(client: RawClient): void {
    const [op, body] = this.#below(5) === 0 ? this.#multi() : this.#operation(false);
    client.send(++this.#xid, op, body);
  }

  #operation(inMulti: boolean): [number, Buffer] {
    const { modern } = this.#options;
    const path = this.#path();
    const version = this.#below(4) === 0 ? this.#below(3) : -1;
    const create = { path, data: this.#data(), acl: this.#pick(lists), flags: this.#below(4) };
    switch (this.#below(10)) {
      case 0:
        return [opCodes.delete, deleteRequest.encode({ path, version })];
      case 1:
      case 2:
        return [opCodes.setData, setDataRequest.encode({ path, data: this.#data(), version })];
      case 3:
        return inMulti
          ? [opCodes.check, checkVersionRequest.encode({ path, version })]
          : [opCodes.setAcl, setAclRequest.encode({ path, acl: this.#pick(lists), version })];
      case 4:
        return modern
          ? [opCodes.createContainer, createRequest.encode({ ...create, flags: 4 })]
          : [opCodes.create, createRequest.encode(create)];
      case 5:
        return modern
          ? [
              opCodes.createTtl,
              createTtlRequest.encode({
                ...create,
                flags: 5 + this.#below(2),
                ttl: 1_000_000n + BigInt(this.#below(1_000_000_000)),
              }),
            ]
          : [opCodes.create, createRequest.encode(create)];
      case 6:
        return [
          modern && !inMulti ? opCodes.create2 : opCodes.create,
          createRequest.encode(create),
        ];
      default:
        return [opCodes.create, createRequest.encode(create)];
    }
  }

  #multi(): [number, Buffer] {
    const writer = new Writer();
    for (let n = 1 + this.#below(4); n > 0; n -= 1) {
      const [type, body] = this.#operation(true);
      multiHeader.encodeInto(writer, { type, done: false, err: -1 });
      writer.copy(body);
    }
    multiHeader.encodeInto(writer, multiEnd);
    return [opCodes.multi, writer.finishWhole()];
  }
}
