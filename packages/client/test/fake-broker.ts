/**
 * A scripted broker over loopback: each api is answered by a function the test gives, in the order
 * of the requests; an answer may be held, left out, or be raw bytes. ApiVersions is answered from
 * the ranges of the scripted apis.
 */
import {
  type Api,
  type ApiVersionRange,
  apiByKey,
  apis,
  type BodyOf,
  decodeRequestHeader,
  encodeResponse,
  FrameSplitter,
  type InputOf,
  type Message,
  unsupportedApiVersions,
} from '@odradek/protocol';
import { type Connection, type Listener, nodeEnvironment } from '@odradek/runtime';

export interface FakeRequest {
  readonly version: number;
  readonly clientId: string | null;
  readonly correlationId: number;
  readonly connection: Connection;
}

type Answer = (
  body: never,
  request: FakeRequest,
) => object | null | Buffer | Promise<object | null | Buffer>;

interface Script {
  readonly api: Api;
  readonly versions: readonly [number, number];
  answer: Answer;
}

export class FakeBroker {
  readonly #scripts = new Map<number, Script>();
  readonly connections = new Set<Connection>();
  /** Names of the apis asked for, with versions, in order: `Metadata v12`. */
  readonly received: string[] = [];
  /** The highest version of ApiVersions this broker has. */
  apiVersionsMax = 4;
  port = 0;
  #listener: Listener | null = null;

  async start(port = 0): Promise<this> {
    this.#listener = await nodeEnvironment().network.listen(
      { host: '127.0.0.1', port },
      (connection) => {
        this.connections.add(connection);
        const splitter = new FrameSplitter({ maxFrameBytes: 100 * 1024 * 1024 });
        let order = Promise.resolve();
        return {
          data: (chunk) =>
            splitter.push(chunk, (frame) => {
              const answering = this.#answer(connection, frame);
              order = order
                .then(() => answering)
                .then((bytes) => {
                  for (const piece of bytes) connection.write(piece);
                });
              order.catch((error: unknown) => {
                this.failures.push(error);
                connection.destroy();
              });
            }),
          close: () => this.connections.delete(connection),
        };
      },
    );
    this.port = this.#listener.port;
    return this;
  }

  /** What went wrong in the scripts themselves. */
  readonly failures: unknown[] = [];

  /** From now on requests of this api are answered so; null: no answer ever, a Buffer: these bytes. */
  on<Req extends Message<unknown>, Res extends Message<unknown>>(
    api: Api<Req, Res>,
    answer: (
      body: BodyOf<Req>,
      request: FakeRequest,
    ) => InputOf<Res> | null | Buffer | Promise<InputOf<Res> | null | Buffer>,
    versions: readonly [number, number] = api.stableVersions ?? [api.minVersion, api.maxVersion],
  ): this {
    this.#scripts.set(api.key, { api, versions, answer: answer as unknown as Answer });
    return this;
  }

  cutLinks(): void {
    for (const connection of this.connections) connection.destroy();
  }

  async stop(): Promise<void> {
    await this.#listener?.close();
    this.cutLinks();
  }

  async #answer(connection: Connection, frame: Buffer): Promise<readonly Buffer[]> {
    const header = decodeRequestHeader(frame);
    const { apiKey, apiVersion, correlationId, clientId } = header;
    const api = apiByKey(apiKey);
    if (api === undefined) throw new Error(`api ${apiKey}`);
    this.received.push(`${api.name} v${apiVersion}`);
    if (apiKey === apis.apiVersions.key) return this.#apiVersions(apiVersion, correlationId);
    const script = this.#scripts.get(apiKey);
    if (script === undefined) throw new Error(`${api.name} is not scripted`);
    const body = api.request.decode(frame.subarray(header.bodyOffset), apiVersion);
    const answer = await script.answer(body as never, {
      version: apiVersion,
      clientId,
      correlationId,
      connection,
    });
    if (answer === null) return [];
    if (Buffer.isBuffer(answer)) return [answer];
    return encodeResponse(api, apiVersion, correlationId, answer);
  }

  #apiVersions(version: number, correlationId: number): readonly Buffer[] {
    const offered: ApiVersionRange[] = [
      { apiKey: apis.apiVersions.key, minVersion: 0, maxVersion: this.apiVersionsMax },
      ...[...this.#scripts.values()].map(({ api, versions: [minVersion, maxVersion] }) => ({
        apiKey: api.key,
        minVersion,
        maxVersion,
      })),
    ];
    if (version > this.apiVersionsMax)
      return encodeResponse(apis.apiVersions, 0, correlationId, unsupportedApiVersions(offered));
    return encodeResponse(apis.apiVersions, version, correlationId, {
      errorCode: 0,
      apiKeys: offered,
    });
  }
}
