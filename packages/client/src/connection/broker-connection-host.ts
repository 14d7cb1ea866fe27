/**
 * One connection to one broker: typed requests, pipelined, answered in order.
 *
 * Frames go out in one vectored write per turn of the event loop, record bytes uncopied. Requests
 * beyond the in-flight limit wait here, bounded. Which broker to ask, when to try again, and reuse of
 * connections are the callers' business: see ../cluster/ and the broker's channels.
 */
import {
  type Api,
  type ApiVersionRange,
  apis,
  apiVersionsRetryVersion,
  type BodyOf,
  commonVersion,
  decodeApiVersionsResponse,
  decodeResponseHeader,
  encodeRequest,
  FrameSplitter,
  type InputOf,
  KafkaError,
  type Message,
  peekCorrelationId,
  UnsupportedVersion,
} from '@odradek/protocol';
import {
  type BufferPool,
  type Connection,
  type Disarm,
  type Environment,
  type Millis,
  millis,
  type PooledBuffer,
} from '@odradek/runtime';
import { ConnectionClosed, LimitReached, RequestTimedOut } from '../errors.ts';
import { Pipeline, type Unanswered } from './pipeline.ts';

const IN_FLIGHT_REQUESTS_MAX = 128;
/** Requests that wait for their turn. */
const WAITING_REQUESTS_MAX = 16_384;
const FRAME_BYTES_MAX = 256 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** The version of ApiVersions that every broker since 2.4 has, and the first to name the client. */
const API_VERSIONS_ASKED = 3;
const SOFTWARE = { clientSoftwareName: 'odradek', clientSoftwareVersion: '0.1.0' } as const;

export interface BrokerConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string | null;
  readonly environment: Pick<Environment, 'network' | 'clock' | 'timers'>;
  /** For each request that does not say otherwise, counted from when it is put on the wire. */
  readonly requestTimeoutMs?: number;
  /** For the connection itself and, with `negotiate`, for the first answer. */
  readonly connectTimeoutMs?: number;
  /** Larger answers cost the connection. */
  readonly maxFrameBytes?: number;
  readonly maxInFlightRequests?: number;
  /** Ask for the broker's versions first (ApiVersions), so that `versionOf` knows them. */
  readonly negotiate?: boolean;
  /** Memory for big answers; those that nobody gives back (`SendOptions.lends`) are lost to it. */
  readonly buffers?: BufferPool;
}

export interface SendOptions {
  readonly timeoutMs?: number;
  /**
   * Called with the memory that the answer's bytes and records lie in, if it is the pool's, before
   * the promise resolves: to be released when the answer is not used any more.
   */
  readonly lends?: (memory: PooledBuffer) => void;
}

interface Request extends Unanswered {
  readonly api: Api;
  readonly version: number;
  /** Takes the answer's body, and the pool's memory that it lies in; throws when it cannot be read. */
  answer(body: Buffer, memory: PooledBuffer | null): void;
  reject(error: Error): void;
}

export class BrokerConnection {
  readonly host: string;
  readonly port: number;
  readonly #options: BrokerConnectionOptions;
  readonly #environment: BrokerConnectionOptions['environment'];
  readonly #splitter: FrameSplitter;
  readonly #deliver = (frame: Buffer): void => this.#answered(frame);
  /** The pool's memory for the answer that is coming in pieces. */
  #filling: PooledBuffer | null = null;
  readonly #pipeline = new Pipeline<Request>();
  readonly #waiting: { send(): void; reject(error: Error): void }[] = [];
  readonly #closeListeners = new Set<(reason: Error) => void>();
  #connection: Connection | null = null;
  #versions: ReadonlyMap<number, ApiVersionRange> | null = null;
  #closedBecause: Error | null = null;
  #isCorked = false;
  #alarm: { readonly at: Millis; readonly disarm: Disarm } | null = null;

  private constructor(options: BrokerConnectionOptions) {
    this.host = options.host;
    this.port = options.port;
    this.#options = options;
    this.#environment = options.environment;
    const { buffers, maxFrameBytes = FRAME_BYTES_MAX } = options;
    const allocate = (sizeBytes: number): Buffer => {
      if (buffers === undefined) return Buffer.allocUnsafeSlow(sizeBytes);
      this.#filling = buffers.take(sizeBytes);
      return this.#filling.bytes.subarray(0, sizeBytes);
    };
    this.#splitter = new FrameSplitter({ maxFrameBytes, allocate });
  }

  /**
   * @throws ConnectFailed when there is no connection
   * @throws ConnectionClosed, RequestTimedOut or KafkaError when the broker does not tell its versions
   */
  static async connect(options: BrokerConnectionOptions): Promise<BrokerConnection> {
    const self = new BrokerConnection(options);
    const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    await self.#open(timeoutMs);
    try {
      if (options.negotiate === true) await self.#negotiate(timeoutMs);
    } catch (error) {
      self.close();
      throw error;
    }
    return self;
  }

  get isClosed(): boolean {
    return this.#closedBecause !== null;
  }

  /** Sent and not answered. */
  get unansweredCount(): number {
    return this.#pipeline.count;
  }

  /**
   * The highest version both sides have. Without negotiation the broker is taken to have all of ours.
   * @param maxWanted no higher than this
   * @throws UnsupportedVersion when there is none
   */
  versionOf(api: Api, maxWanted = Number.MAX_SAFE_INTEGER): number {
    const version = this.versionOrNull(api, maxWanted);
    if (version === null)
      throw new UnsupportedVersion(`${api.name} is not spoken by ${this.#name} as we need it`);
    return version;
  }

  /** As versionOf, null when there is none. */
  versionOrNull(api: Api, maxWanted = Number.MAX_SAFE_INTEGER): number | null {
    const [min, max] = api.stableVersions ?? [api.minVersion, api.maxVersion];
    const own = [min, Math.min(max, maxWanted)] as const;
    if (this.#versions === null) return own[1] >= own[0] ? own[1] : null;
    const theirs = this.#versions.get(api.key);
    return theirs === undefined ? null : commonVersion(own, theirs);
  }

  /**
   * Sends a request; the promise has the answer's body, whose error codes are the caller's to read.
   * Answers come in the order of the requests.
   * @throws ConnectionClosed, RequestTimedOut (both retriable; the outcome is unknown), LimitReached
   */
  send<Req extends Message<unknown>, Res extends Message<unknown>>(
    api: Api<Req, Res>,
    version: number,
    body: InputOf<Req>,
    options: SendOptions = {},
  ): Promise<BodyOf<Res>> {
    return new Promise((resolve, reject) =>
      this.#submit(api, version, body, options.timeoutMs, reject, (bytes, memory) => {
        const answer = api.response.decode(bytes, version) as BodyOf<Res>;
        if (memory !== null) options.lends?.(memory);
        resolve(answer);
      }),
    );
  }

  /**
   * Sends a request that the broker never answers (Produce with acks 0).
   * Resolves when the bytes are with the operating system's queue as far as it takes them.
   */
  sendUnanswered<Req extends Message<unknown>>(
    api: Api<Req, Message<unknown>>,
    version: number,
    body: InputOf<Req>,
  ): void {
    if (this.#closedBecause !== null) throw this.#closedBecause;
    this.#write(api, version, this.#pipeline.nextCorrelationId(), body);
  }

  /** Bytes that wait for the network: a measure for whoever sends without answers. */
  get unsentBytes(): number {
    return this.#connection?.unsentBytes ?? 0;
  }

  /** `listener` is called once, with the reason; at once when the connection is closed already. */
  onClose(listener: (reason: Error) => void): () => void {
    if (this.#closedBecause !== null) listener(this.#closedBecause);
    else this.#closeListeners.add(listener);
    return () => this.#closeListeners.delete(listener);
  }

  /** Closes at once; what is unanswered fails with ConnectionClosed. */
  close(): void {
    this.#closed(new ConnectionClosed(`the connection to ${this.#name} was closed by us`));
  }

  get #name(): string {
    return `${this.host}:${this.port}`;
  }

  async #open(timeoutMs: number): Promise<void> {
    const { host, port } = this;
    this.#connection = await this.#environment.network.connect({ host, port, timeoutMs }, () => ({
      data: (chunk) => this.#received(() => this.#splitter.push(chunk, this.#deliver)),
      room: () => this.#splitter.room,
      filled: (sizeBytes) => this.#received(() => this.#splitter.filled(sizeBytes, this.#deliver)),
      close: (error) => this.#closed(new ConnectionClosed(this.#lostBecause(error))),
    }));
  }

  #submit<Req extends Message<unknown>>(
    api: Api<Req, Message<unknown>>,
    version: number,
    body: InputOf<Req>,
    timeoutMs: number | undefined,
    reject: (error: Error) => void,
    answer: Request['answer'],
  ): void {
    if (this.#closedBecause !== null) {
      reject(this.#closedBecause);
      return;
    }
    const send = (): void => {
      const correlationId = this.#pipeline.nextCorrelationId();
      try {
        this.#write(api, version, correlationId, body);
      } catch (error) {
        // Nothing was written: encoding failed.
        reject(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      const deadline = millis(
        this.#environment.clock.now() +
          (timeoutMs ?? this.#options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS),
      );
      this.#pipeline.sent({ correlationId, deadline, api, version, answer, reject });
      this.#arm(deadline);
    };
    const maxInFlight = this.#options.maxInFlightRequests ?? IN_FLIGHT_REQUESTS_MAX;
    if (this.#waiting.length === 0 && this.#pipeline.count < maxInFlight) send();
    else if (this.#waiting.length < WAITING_REQUESTS_MAX) this.#waiting.push({ send, reject });
    else reject(new LimitReached(`${WAITING_REQUESTS_MAX} requests wait for ${this.#name}`));
  }

  #write<Req extends Message<unknown>>(
    api: Api<Req, Message<unknown>>,
    version: number,
    correlationId: number,
    body: InputOf<Req>,
  ): void {
    const chunks = encodeRequest(api, version, correlationId, this.#options.clientId, body);
    const connection = this.#connection;
    if (connection === null) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      connection.cork();
      this.#environment.timers.afterTurn(() => {
        this.#isCorked = false;
        connection.uncork();
      });
    }
    for (const chunk of chunks) connection.write(chunk);
  }

  #received(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#closed(
        new ConnectionClosed(`${this.#name} sent what makes no sense: ${String(error)}`, {
          cause: error,
        }),
      );
    }
  }

  #answered(frame: Buffer): void {
    const memory = this.#filling?.bytes.buffer === frame.buffer ? this.#filling : null;
    if (memory !== null) this.#filling = null;
    if (this.#closedBecause !== null) return;
    const request = this.#pipeline.answered(peekCorrelationId(frame));
    try {
      const { bodyOffset } = decodeResponseHeader(frame, request.api, request.version);
      request.answer(frame.subarray(bodyOffset), memory);
    } catch (error) {
      request.reject(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
    const maxInFlight = this.#options.maxInFlightRequests ?? IN_FLIGHT_REQUESTS_MAX;
    while (this.#pipeline.count < maxInFlight) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      next.send();
    }
  }

  /** One alarm for all requests: it is only moved when it goes off, or to an earlier instant. */
  #arm(deadline: Millis): void {
    if (this.#alarm !== null && this.#alarm.at <= deadline) return;
    this.#alarm?.disarm();
    const disarm = this.#environment.timers.wakeAt(deadline, () => {
      this.#alarm = null;
      this.#expire();
    });
    this.#alarm = { at: deadline, disarm };
  }

  #expire(): void {
    const expired = this.#pipeline.expired(this.#environment.clock.now());
    if (expired === null) {
      const next = this.#pipeline.earliestDeadline();
      if (next !== null) this.#arm(next);
      return;
    }
    const what = `${expired.api.name} to ${this.#name}`;
    expired.reject(new RequestTimedOut(`${what} was not answered in time`));
    this.#closed(new ConnectionClosed(`given up because ${what} was not answered in time`));
  }

  #closed(reason: Error): void {
    if (this.#closedBecause !== null) return;
    this.#closedBecause = reason;
    this.#alarm?.disarm();
    this.#alarm = null;
    this.#connection?.destroy();
    for (const request of this.#pipeline.takeAll()) request.reject(reason);
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
    for (const listener of this.#closeListeners) listener(reason);
    this.#closeListeners.clear();
  }

  #lostBecause(error: Error | undefined): string {
    return error === undefined
      ? `${this.#name} closed the connection`
      : `the connection to ${this.#name} broke: ${error.message}`;
  }

  async #negotiate(timeoutMs: number): Promise<void> {
    let response = await this.#askVersions(API_VERSIONS_ASKED, timeoutMs);
    const retryVersion = apiVersionsRetryVersion(response, API_VERSIONS_ASKED);
    if (retryVersion !== null) response = await this.#askVersions(retryVersion, timeoutMs);
    const failure = KafkaError.ofCode(response.errorCode, `ApiVersions at ${this.#name}`);
    if (failure !== null) throw failure;
    this.#versions = new Map(response.apiKeys.map((range) => [range.apiKey, range]));
  }

  #askVersions(
    version: number,
    timeoutMs: number,
  ): Promise<ReturnType<typeof decodeApiVersionsResponse>> {
    return new Promise((resolve, reject) =>
      this.#submit(apis.apiVersions, version, SOFTWARE, timeoutMs, reject, (bytes) =>
        resolve(decodeApiVersionsResponse(bytes, version)),
      ),
    );
  }
}
