/**
 * The pages that a server shows its operators: admin commands, and metrics for Prometheus. There is
 * no access control, as in the original: they belong on an address that only operators reach.
 *
 * A port that is taken is told in the log and the server goes on without its pages; the original
 * would not start, over a page that nobody may have wanted.
 */
import {
  AddressInUse,
  type HttpHandler,
  type HttpServer,
  type Log,
  type Metrics,
  type ServeHttp,
} from '@odradek/runtime';
import type { ServerInfo } from '../server-info.ts';
import { adminCommands, answerAdminCommand } from './admin-commands.ts';
import { prettyJson } from './pretty-json.ts';

export interface AdminOptions {
  readonly host: string | null;
  readonly port: number;
  /** Where the commands are: `/commands`. */
  readonly path: string;
  readonly idleTimeoutMs: number;
}

export interface MetricsOptions {
  readonly host: string | null;
  readonly port: number;
}

const METRICS_IDLE_MS = 60_000;

/** @returns null when the port is taken */
export function serveAdmin(
  serve: ServeHttp,
  { host, port, path, idleTimeoutMs }: AdminOptions,
  info: ServerInfo,
  log: Log,
): Promise<HttpServer | null> {
  return serveOrWarn(serve, { host, port, idleTimeoutMs }, commandsAt(path, info), 'admin', log);
}

/** @returns null when the port is taken */
export function servePrometheus(
  serve: ServeHttp,
  { host, port }: MetricsOptions,
  metrics: Metrics,
  refresh: () => Promise<void>,
  log: Log,
): Promise<HttpServer | null> {
  const handle: HttpHandler = async ({ path }) => {
    if (path !== '/metrics' && path !== '/metrics/') return notFound;
    await refresh();
    return {
      status: 200,
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
      body: await metrics.render(),
    };
  };
  return serveOrWarn(serve, { host, port, idleTimeoutMs: METRICS_IDLE_MS }, handle, 'metrics', log);
}

const notFound = { status: 404, headers: { 'content-type': 'text/plain' }, body: 'Not found.\n' };

function commandsAt(root: string, info: ServerInfo): HttpHandler {
  return async ({ path, query }) => {
    if (path === root || path === `${root}/`) {
      return { status: 200, headers: { 'content-type': 'text/html' }, body: listPage(root) };
    }
    if (!path.startsWith(`${root}/`)) return notFound;
    const { status, body } = await answerAdminCommand(path.slice(root.length + 1), info, query);
    return {
      status,
      headers: { 'content-type': 'application/json' },
      body: prettyJson(body),
    };
  };
}

const listPage = (root: string): string =>
  Object.keys(adminCommands)
    .map((name) => `<a href="${root}/${name}">${name}</a>\n<br/>\n`)
    .join('');

async function serveOrWarn(
  serve: ServeHttp,
  address: Parameters<ServeHttp>[0],
  handle: HttpHandler,
  what: string,
  log: Log,
): Promise<HttpServer | null> {
  try {
    const server = await serve(address, handle);
    log.info(`${what} pages are served`, { port: server.port });
    return server;
  } catch (error) {
    if (!(error instanceof AddressInUse)) throw error;
    log.warn(`no ${what} pages: ${error.message}`);
    return null;
  }
}
