/**
 * Sessions: none ends before its time, unless its client said so; a client is told that its session is gone
 * only when it is (I12, I13, I16).
 */
import { isWrite } from '../keeper/frames.ts';
import type { SessionHistory } from '../keeper/history.ts';
import type { VersionedTree } from './versioned-tree.ts';

/** What the clocks of two hosts may differ in, in a session's time. */
const CLOCK_TOLERANCE = 0.005;
const MICROS = 1_000;
const SESSION_IS_GONE = -112;

export function checkSessions(sessions: readonly SessionHistory[], tree: VersionedTree): string[] {
  const breaches: string[] = [];
  for (const session of sessions) {
    const { client, sessionId, timeoutMs, closeAskedAtUs, refusedAtUs } = session;
    const ended = tree.endedSessions.get(sessionId);
    if (refusedAtUs !== null && ended === undefined) {
      breaches.push(`${client} was told that its session is gone, but it never ended`);
    }
    if (refusedAtUs !== null && ended !== undefined && refusedAtUs < ended.appliedAtUs) {
      breaches.push(`${client} was told that its session is gone before it was`);
    }
    if (ended === undefined || closeAskedAtUs !== null) continue;
    // Only its beginning and its writes are certain to have reached whoever judges the silence.
    let heardAtUs = tree.openedAtUs.get(sessionId) ?? session.openedAtUs;
    for (const { exchanges } of session.links) {
      for (const { request, answer, calledAtUs } of exchanges) {
        if (answer === null || !isWrite(request) || answer.err === SESSION_IS_GONE) continue;
        heardAtUs = Math.max(heardAtUs, calledAtUs);
      }
    }
    const silenceMs = (ended.appliedAtUs - heardAtUs) / MICROS;
    if (silenceMs < timeoutMs * (1 - CLOCK_TOLERANCE)) {
      breaches.push(
        `the session of ${client} was ended after ${silenceMs.toFixed(1)} ms of silence, ` +
          `its time-out is ${timeoutMs} ms`,
      );
    }
  }
  return breaches;
}
