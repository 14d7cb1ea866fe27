/**
 * Listeners: `NAME://host:port` lists, old `port` and `host.name`, and which protocol each speaks.
 * Whether the keys of several lists fit together is checked in broker-config.ts.
 */
import { isSecurityProtocol, type SecurityProtocol } from '../core/controller/security-protocol.ts';

export interface ListenerAddress {
  /** In upper case; unique in its list. */
  readonly name: string;
  /** Empty for all interfaces. IPv6 addresses stand without brackets. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly securityProtocol: SecurityProtocol;
}

/** What is wrong with a text; reads on from the value. */
export interface ListenerProblem {
  readonly problem: string;
}

/** Reads `listener.security.protocol.map`. */
export function parseProtocolMap(text: string): Map<string, SecurityProtocol> | ListenerProblem {
  const map = new Map<string, SecurityProtocol>();
  for (const pair of splitList(text)) {
    const [name = '', protocol = ''] = pair.split(':');
    const known = protocol.toUpperCase();
    if (name === '' || !isSecurityProtocol(known))
      return {
        problem: `"${pair}" must be LISTENER:PROTOCOL with PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL`,
      };
    map.set(name.toUpperCase(), known);
  }
  return map;
}

/** Reads a list of listeners whose names are in `protocols`. */
export function parseListeners(
  text: string,
  protocols: ReadonlyMap<string, SecurityProtocol>,
): readonly ListenerAddress[] | ListenerProblem {
  const listeners: ListenerAddress[] = [];
  for (const item of splitList(text)) {
    const match = /^([A-Za-z0-9_.-]+):\/\/(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(item);
    const name = match?.[1]?.toUpperCase();
    const port = Number(match?.[4]);
    if (match === null || name === undefined || port > 65_535)
      return { problem: `"${item}" must be NAME://host:port` };
    const securityProtocol = protocols.get(name);
    if (securityProtocol === undefined)
      return { problem: `listener ${name} has no protocol in listener.security.protocol.map` };
    if (listeners.some((other) => other.name === name))
      return { problem: `listener name ${name} is there twice` };
    listeners.push({ name, host: match[2] ?? match[3] ?? '', port, securityProtocol });
  }
  return listeners.length === 0 ? { problem: 'must name at least one listener' } : listeners;
}

/** Two listeners on one port exclude each other, except one on an IPv4 and one on an IPv6 address. */
export function portConflict(listeners: readonly ListenerAddress[]): string | null {
  for (const [index, one] of listeners.entries())
    for (const other of listeners.slice(index + 1)) {
      if (one.port === 0 || one.port !== other.port) continue;
      const families = [family(one.host), family(other.host)];
      if (families.includes(4) && families.includes(6)) continue;
      return `listeners ${one.name} and ${other.name} have the same port ${one.port}`;
    }
  return null;
}

function family(host: string): 4 | 6 | null {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(host)) return 4;
  return host.includes(':') ? 6 : null;
}

const splitList = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
