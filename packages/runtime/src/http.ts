/**
 * A small port for pages that a daemon shows its operators: admin commands, metrics. Requests are
 * answered as a whole; what they carry is not read.
 */

export interface HttpRequest {
  readonly method: string;
  /** Decoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** A rejection is answered with status 500, and nothing of it is shown. */
export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse>;

export interface HttpServer {
  /** The port really bound. */
  readonly port: number;
  close(): Promise<void>;
}

export interface HttpAddress {
  /** null or '' for all interfaces. */
  readonly host: string | null;
  /** 0 takes any free one. */
  readonly port: number;
  /** A connection on which nothing is asked for so long is closed. */
  readonly idleTimeoutMs: number;
}

/** Begins to serve. @throws AddressInUse when the port cannot be had */
export type ServeHttp = (address: HttpAddress, handle: HttpHandler) => Promise<HttpServer>;
