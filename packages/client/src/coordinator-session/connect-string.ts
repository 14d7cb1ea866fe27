/**
 * The connect string of a coordinator ensemble: `host:port,host:port/chroot`.
 * Port 2181 where none is given; an IPv6 address stands in brackets. Pure: dialing is elsewhere.
 */
import { ConfigError } from '@odradek/runtime';

export interface ConnectString {
  readonly servers: readonly { readonly host: string; readonly port: number }[];
  /** Empty for none, otherwise `/a/b`: what stands in front of every path. */
  readonly chroot: string;
}

const DEFAULT_PORT = 2181;

/** @throws ConfigError naming the part that cannot be used */
export function parseConnectString(text: string): ConnectString {
  const slash = text.indexOf('/');
  const hosts = slash < 0 ? text : text.slice(0, slash);
  const chroot = slash < 0 ? '' : text.slice(slash).replace(/\/+$/, '');
  if (/\/\/|\/\.\.?(\/|$)|\0/.test(chroot))
    throw new ConfigError(
      `${JSON.stringify(text)}: ${JSON.stringify(chroot)} is no path to start from`,
    );
  const servers = hosts
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => parseServer(part, text));
  if (servers.length === 0)
    throw new ConfigError(
      `${JSON.stringify(text)} names no server: expected host:port,host:port/path`,
    );
  return { servers, chroot };
}

function parseServer(part: string, text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(part);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535)
    throw new ConfigError(`${JSON.stringify(text)}: ${JSON.stringify(part)} is not host:port`);
  return { host, port };
}

/** The path on the server of `path` inside the chroot. */
export function underChroot(chroot: string, path: string): string {
  if (chroot === '') return path;
  return path === '/' ? chroot : chroot + path;
}

/** The path inside the chroot of a path on the server. */
export function withoutChroot(chroot: string, path: string): string {
  if (chroot === '' || !path.startsWith(chroot)) return path;
  return path.length === chroot.length ? '/' : path.slice(chroot.length);
}
