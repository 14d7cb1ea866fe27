/**
 * What a request handler is, and the table of those this broker has.
 *
 * A file of this folder answers one kind of request: it makes a `RegisteredHandler` from what it
 * depends on. The connection (../network/) finds it here by API key, decodes the request, awaits
 * the answer and encodes it. What ApiVersions advertises is exactly what is in the table, so an API
 * or version that is not answered correctly is simply not registered.
 *
 * Not here: framing, order and limits (../network/), and the answers themselves.
 */
import type { Api, ApiVersionRange, BodyOf, InputOf, Message } from '@odradek/protocol';
import type { PeerPresence } from '../network/peer-presence.ts';

/** Who asks, and how; the same for all kinds of requests. */
export interface RequestContext {
  readonly apiVersion: number;
  readonly clientId: string | null;
  readonly correlationId: number;
  /** The listener the request came in on, such as PLAINTEXT; decides which endpoints are shown. */
  readonly listenerName: string;
  /** IP address of the peer. */
  readonly peerHost: string;
  /** `User:ANONYMOUS` unless the peer authenticated. */
  readonly principal: string;
  /** Unique among the connections of this process. */
  readonly connectionId: string;
  /** Whether the peer is still there, for requests that wait. */
  readonly presence: PeerPresence;
}

/**
 * Answers one request. The next request of the same connection is not begun before the answer is
 * there (but see `mayOverlap`), so a handler never sees two requests of one connection at once.
 *
 * null: no response at all (Produce with acks=0). Errors that the protocol can express belong into
 * the response; whatever is thrown instead closes the connection, with one line in the log.
 * A handler that need not wait should not return a promise.
 */
export type Handle<Request, Response> = (
  request: Request,
  context: RequestContext,
) => Response | null | Promise<Response | null>;

export interface RegisteredHandler<Request = unknown, Response = unknown> {
  readonly api: Api;
  /** Lowest and highest version that is answered; ApiVersions says the same. */
  readonly versions: readonly [min: number, max: number];
  /**
   * The request has taken effect when `handle` returns, and only its answer may come later: the
   * next request of the connection may then be begun. Answers leave in order all the same.
   */
  readonly mayOverlap: boolean;
  /**
   * When `handle` returns, and be it a promise, nothing refers to the request's bytes any more: their
   * memory may be used for something else.
   */
  readonly keepsNothing: boolean;
  /** A method, so that handlers of all kinds fit into one table. */
  handle(request: Request, context: RequestContext): Response | null | Promise<Response | null>;
  /** Called once with each answer: its bytes have been sent or will never be. */
  sent?(answer: Response): void;
}

export interface HandlerOptions {
  readonly mayOverlap?: boolean;
  readonly keepsNothing?: boolean;
}

/** Ties a handler to its API; the types of request and response come from the API's declaration. */
export function handler<Request extends Message<unknown>, Response extends Message<unknown>>(
  api: Api<Request, Response>,
  versions: readonly [min: number, max: number],
  handle: Handle<BodyOf<Request>, InputOf<Response>>,
  { mayOverlap = false, keepsNothing = false }: HandlerOptions = {},
): RegisteredHandler<BodyOf<Request>, InputOf<Response>> {
  return { api, versions, mayOverlap, keepsNothing, handle };
}

/** The handlers of a broker by API key. Filled while the broker is put together, then only read. */
export class ApiRegistry {
  readonly #byKey = new Map<number, RegisteredHandler>();

  register(...handlers: readonly RegisteredHandler[]): this {
    for (const registered of handlers) this.#byKey.set(registered.api.key, registered);
    return this;
  }

  /** The handler for an API key, whatever the version; undefined when the API is not served. */
  find(apiKey: number): RegisteredHandler | undefined {
    return this.#byKey.get(apiKey);
  }

  /** What ApiVersions says: all that is served, and nothing else, ascending by key. */
  advertised(): readonly ApiVersionRange[] {
    return [...this.#byKey.values()]
      .map(({ api, versions: [minVersion, maxVersion] }) => ({
        apiKey: api.key,
        minVersion,
        maxVersion,
      }))
      .sort((a, b) => a.apiKey - b.apiKey);
  }
}

/** Tells whether `version` of the API is answered. */
export function serves({ versions: [min, max] }: RegisteredHandler, version: number): boolean {
  return version >= min && version <= max;
}
