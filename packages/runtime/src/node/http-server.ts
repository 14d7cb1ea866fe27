/** The port for pages over Node's HTTP server. It does not keep the process alive. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { AddressInUse } from '../errors.ts';
import type { HttpHandler, HttpRequest, ServeHttp } from '../http.ts';

/** Header bytes of one request; nobody who asks for a page needs as many. */
const HEADER_BYTES_MAX = 16 * 1024;
/** Pages are asked for by people and agents, a few at a time. */
const CONNECTIONS_MAX = 100;

/** @throws AddressInUse when the port cannot be had */
export const serveHttp: ServeHttp = ({ host, port, idleTimeoutMs }, handle) => {
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      keepAliveTimeout: idleTimeoutMs,
      requestTimeout: idleTimeoutMs,
      headersTimeout: idleTimeoutMs,
    },
    (request, response) => void answer(request, response, handle),
  );
  server.maxConnections = CONNECTIONS_MAX;
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new AddressInUse(`${host ?? '*'}:${port}`, { cause }));
    });
    server.listen({ port, ...(host !== null && host !== '' && { host }) }, () => {
      server.unref();
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
};

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  handle: HttpHandler,
): Promise<void> {
  request.resume(); // What it carries is not wanted.
  const asked = readRequest(request);
  if (asked === null) {
    response.writeHead(400).end();
    return;
  }
  try {
    const { status, headers, body } = await handle(asked);
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers });
    response.end(asked.method === 'HEAD' ? undefined : body);
  } catch {
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end();
  }
}

/** @returns null when the address does not read as one */
function readRequest({ method, url, headers }: IncomingMessage): HttpRequest | null {
  try {
    const { pathname, searchParams } = new URL(url ?? '/', 'http://localhost');
    return {
      method: method ?? 'GET',
      path: decodeURIComponent(pathname),
      query: searchParams,
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, asText(value)]),
      ),
    };
  } catch {
    return null;
  }
}

const asText = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(', ') : value;
