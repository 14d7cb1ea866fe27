/**
 * What a history of clients must show, whatever was done to the servers. Each finding is one sentence; none: all is
 * well. Whether registers are linearizable is the testkit's to say (its checkers); here is what only concerns
 * histories of real clients.
 */
import type { History } from './history.ts';

const SHOWN_MAX = 10;

/** @param children on each server after everything has settled, by the server's name */
export function lostCreations(
  { creations }: History,
  children: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const findings: string[] = [];
  const asked = new Set(creations.map(({ name }) => name));
  let reference: { readonly server: string; readonly names: ReadonlySet<string> } | null = null;
  for (const [server, list] of children) {
    const names = new Set(list);
    for (const { name, returnedAt } of creations) {
      if (returnedAt !== null && !names.has(name))
        findings.push(`server ${server} has no ${name}, which was acknowledged`);
    }
    for (const name of names) {
      if (!asked.has(name)) findings.push(`server ${server} has ${name}, which nobody asked for`);
    }
    reference ??= { server, names };
    for (const name of names) {
      if (!reference.names.has(name))
        findings.push(`server ${server} has ${name}, server ${reference.server} does not`);
    }
    if (names.size !== reference.names.size)
      findings.push(
        `server ${server} has ${names.size} nodes, server ${reference.server} has ${reference.names.size}`,
      );
  }
  return shown(findings);
}

/** An ephemeral is there from its acknowledged creation on as long as its session was alive. */
export function missedEphemerals({ holdings, rollCalls }: History): readonly string[] {
  const findings: string[] = [];
  for (const { name, heldFrom, aliveUntil } of holdings) {
    for (const { client, names, calledAt, returnedAt } of rollCalls) {
      if (calledAt >= heldFrom && returnedAt <= aliveUntil && !names.has(name))
        findings.push(
          `${client} did not see ${name} between ${calledAt} and ${returnedAt}, and its session lived from ${heldFrom} to ${aliveUntil}`,
        );
    }
  }
  return shown(findings);
}

/** @param present the ephemerals that are there when all sessions are closed or past their time */
export function leftEphemerals(
  { holdings }: History,
  present: readonly string[],
): readonly string[] {
  const known = new Map(holdings.map((holding) => [holding.name, holding]));
  return shown(
    present.map((name) => {
      const sessionId = known.get(name)?.sessionId;
      return sessionId === undefined
        ? `${name} is still there; its creation was never acknowledged`
        : `${name} is still there after its session ${sessionId}`;
    }),
  );
}

function shown(findings: readonly string[]): readonly string[] {
  return findings.length <= SHOWN_MAX
    ? findings
    : [...findings.slice(0, SHOWN_MAX), `and ${findings.length - SHOWN_MAX} more`];
}
