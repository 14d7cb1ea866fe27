/**
 * What the simulated clients do: reads and writes of few nodes, so that they meet; several at once on their
 * way; sessions that move, fall silent, end. Every value that is written is written only once.
 */
import type { Draw } from '../world/draw.ts';
import type { KeeperRequest, NodeWrite } from './history.ts';
import type { KeeperClient } from './keeper-client.ts';

export interface WorkloadOptions {
  readonly operations: number;
  /** Requests that may be on their way at once. */
  readonly inFlightMax: number;
  /** Mean of the pause between two, over all. */
  readonly pauseMs: number;
  readonly watches: 'none' | 'standard' | 'persistent';
  /** How often something is done with the session itself. */
  readonly unrest: number;
}

export const BASE_PATHS = ['/r', '/n', '/s', '/e', '/m'] as const;
/** Requests come in bursts: after so many of them there is a rest. */
const REST_SHARE = 0.3;
const REGISTERS = 4;
const NAMES = 3;
export const REGISTER_PATHS = Array.from({ length: REGISTERS }, (_, index) => `/r/${index}`);
export const PAIR_PATHS = ['/m/a', '/m/b'] as const;
const flags = { persistent: 0, ephemeral: 1, sequential: 2, ephemeralSequential: 3 } as const;

export class Workload {
  readonly #client: KeeperClient;
  readonly #draw: Draw;
  readonly #options: WorkloadOptions;
  #count = 0;
  #inFlight = 0;
  #oneDone: () => void = () => undefined;
  /** Sequential nodes of this client that may still be there. */
  readonly #own: string[] = [];
  /** How far it has come; for the report of a failure. */
  done = 0;

  constructor(client: KeeperClient, draw: Draw, options: WorkloadOptions) {
    this.#client = client;
    this.#draw = draw;
    this.#options = options;
  }

  /** Makes the nodes that all work on. */
  async prepare(): Promise<void> {
    for (const path of [...BASE_PATHS, ...REGISTER_PATHS, ...PAIR_PATHS]) {
      const request = { kind: 'create', path, data: '', flags: flags.persistent } as const;
      // Lost, or there already: the next one tells.
      while ((await this.#client.ask(request))?.answer === null);
    }
    if (this.#options.watches === 'persistent') {
      await this.#client.ask({ kind: 'addWatch', path: '/n', mode: 'recursive' });
      await this.#client.ask({ kind: 'addWatch', path: '/r/0', mode: 'persistent' });
    }
  }

  async run(): Promise<void> {
    const { operations, inFlightMax, pauseMs, unrest } = this.#options;
    for (let count = 0; count < operations; count++) {
      while (this.#inFlight >= inFlightMax) await this.#room();
      const link = await this.#client.connected();
      if (link === null) return;
      for (const request of this.#drawRequests()) {
        this.#inFlight += 1;
        void this.#client.askOn(link, request).then((exchange) => {
          this.#inFlight -= 1;
          const { answer } = exchange;
          if (request.kind === 'create' && request.path.startsWith('/s/') && answer?.path) {
            this.#own.push(answer.path);
          }
          this.#oneDone();
        });
      }
      this.done += 1;
      if (this.#draw.chance(unrest)) await this.#disturb();
      if (this.#draw.chance(REST_SHARE)) {
        await this.#client.sleep(this.#draw.exponential(pauseMs / REST_SHARE));
      }
    }
    while (this.#inFlight > 0) await this.#room();
  }

  /** One write and one certain read that must succeed, after everything is well again. */
  async finalRound(): Promise<boolean> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const written = await this.#client.ask(this.#setRegister());
      if (written === null) return false;
      if (written.answer?.err !== 0) {
        await this.#client.sleep(20);
        continue;
      }
      const synced = await this.#client.ask({ kind: 'sync', path: '/' });
      const read = await this.#client.ask({ kind: 'getData', path: '/r/0', watch: false });
      if (synced?.answer?.err === 0 && read?.answer?.err === 0) return true;
    }
    return false;
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#oneDone = resolve;
    });
  }

  #value(): string {
    this.#count += 1;
    return `${this.#client.name}.${this.#count}`;
  }

  #setRegister(): NodeWrite {
    return this.#set(this.#draw.oneOf(REGISTER_PATHS));
  }

  #set(path: string, version = -1): NodeWrite {
    return { kind: 'setData', path, data: this.#value(), version };
  }

  #watch(): boolean {
    return this.#options.watches === 'standard' && this.#draw.chance(0.5);
  }

  /** One request, or a few that belong together. */
  #drawRequests(): KeeperRequest[] {
    const draw = this.#draw;
    const named = (): string => `/n/${draw.below(NAMES)}`;
    switch (
      draw.weighted({
        setRegister: 20,
        setIfVersion: 4,
        getRegister: 18,
        syncedRead: 10,
        create: 8,
        remove: 7,
        exists: 6,
        sequential: 8,
        removeSequential: 4,
        ephemeral: 8,
        list: 10,
        pair: 8,
        brokenPair: 2,
        makeAndRemove: 2,
        bigValue: 1,
      })
    ) {
      case 'setRegister':
        return [this.#setRegister()];
      case 'setIfVersion':
        return [this.#set(draw.oneOf(REGISTER_PATHS), draw.below(8))];
      case 'getRegister':
        return [this.#get(draw.oneOf([...REGISTER_PATHS, ...PAIR_PATHS]))];
      case 'syncedRead':
        return [{ kind: 'sync', path: '/r' }, this.#get(draw.oneOf(REGISTER_PATHS))];
      case 'create':
        return [this.#create(named(), flags.persistent)];
      case 'remove':
        return [{ kind: 'delete', path: named(), version: -1 }];
      case 'exists':
        return [
          {
            kind: 'exists',
            path: draw.chance(0.5) ? named() : `/e/${draw.below(NAMES)}`,
            watch: this.#watch(),
          },
        ];
      case 'sequential':
        return [
          this.#create('/s/q-', draw.chance(0.5) ? flags.sequential : flags.ephemeralSequential),
        ];
      case 'removeSequential': {
        const path = this.#own.shift();
        return [path === undefined ? this.#setRegister() : { kind: 'delete', path, version: -1 }];
      }
      case 'ephemeral':
        return [
          draw.chance(0.7)
            ? this.#create(`/e/${draw.below(NAMES)}`, flags.ephemeral)
            : { kind: 'delete', path: `/e/${draw.below(NAMES)}`, version: -1 },
        ];
      case 'list':
        return [
          { kind: 'getChildren', path: draw.oneOf(['/n', '/s', '/e']), watch: this.#watch() },
        ];
      case 'pair': {
        const data = this.#value();
        const operations = PAIR_PATHS.map(
          (path) => ({ kind: 'setData', path, data, version: -1 }) as const,
        );
        return [{ kind: 'multi', operations }];
      }
      case 'brokenPair': {
        const operations: NodeWrite[] = [
          this.#set('/m/a'),
          { kind: 'check', path: '/m/nobody', version: -1 },
          this.#set('/m/b'),
        ];
        return [{ kind: 'multi', operations }];
      }
      case 'makeAndRemove': {
        const path = named();
        const operations: NodeWrite[] = [
          this.#create(path, flags.persistent),
          { kind: 'delete', path, version: -1 },
        ];
        return [{ kind: 'multi', operations }];
      }
      case 'bigValue': {
        const filler = 'x'.repeat(draw.between(1_000, 20_000));
        const path = draw.oneOf(REGISTER_PATHS);
        return [{ kind: 'setData', path, data: `${this.#value()}.${filler}`, version: -1 }];
      }
    }
  }

  #create(path: string, kind: number): NodeWrite {
    return { kind: 'create', path, data: this.#value(), flags: kind };
  }

  #get(path: string): KeeperRequest {
    return { kind: 'getData', path, watch: this.#watch() };
  }

  /** Does something to the session instead of with it. */
  async #disturb(): Promise<void> {
    const timeoutMs = this.#client.session?.timeoutMs ?? 0;
    switch (this.#draw.weighted({ move: 6, silence: 1, shortSilence: 2, close: 1 })) {
      case 'move':
        this.#client.leave();
        return;
      case 'silence':
        await this.#client.beSilent(timeoutMs * 2);
        return;
      case 'shortSilence':
        await this.#client.beSilent(timeoutMs / 2);
        return;
      case 'close': {
        const link = await this.#client.connected();
        if (link !== null) await this.#client.askOn(link, { kind: 'closeSession' });
        this.#client.leave();
      }
    }
  }
}
