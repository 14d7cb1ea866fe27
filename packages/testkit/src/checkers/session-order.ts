/**
 * What one session, and all sessions together, may rest on in time:
 *
 * - zxids never go back within a session, over all its connections; so a session reads what it wrote (I10);
 * - a write that had returned before another was called comes before it (linearizable writes);
 * - what is read behind a `sync` shows every write that had returned before the sync was called (I19);
 * - writes of a session are carried out in the order of asking, each at most once, also those whose answer
 *   was lost.
 */
import type { Change } from '@odradek/coord';
import type { Exchange, KeeperRequest, SessionHistory } from '../keeper/history.ts';
import { describe } from './answers.ts';
import { type CommittedOrder, hex } from './committed-order.ts';

export function checkSessionOrder(
  sessions: readonly SessionHistory[],
  order: CommittedOrder,
): string[] {
  return [
    ...sessions.flatMap(monotonic),
    ...checkRealTime(sessions),
    ...checkProgramOrder(sessions, order),
  ];
}

function monotonic({ client, links }: SessionHistory): string[] {
  let seen = 0n;
  for (const { arrivals, faults } of links) {
    if (faults.length > 0) return faults.map((fault) => `${client}: ${fault}`);
    for (const arrival of arrivals) {
      const zxid =
        arrival.kind === 'event' ? arrival.event.zxid : (arrival.exchange.answer?.zxid ?? 0n);
      if (zxid <= 0n) continue;
      if (zxid < seen) {
        const what = arrival.kind === 'event' ? 'an event' : describe(arrival.exchange);
        return [`${client} saw zxid ${hex(zxid)} (${what}) after ${hex(seen)}`];
      }
      seen = zxid;
    }
  }
  return [];
}

const isNodeWrite = ({ kind }: KeeperRequest): boolean =>
  kind === 'create' || kind === 'delete' || kind === 'setData' || kind === 'multi';

/** Everything that had returned is behind everything that was called later. */
function checkRealTime(sessions: readonly SessionHistory[]): string[] {
  const writes: Exchange[] = [];
  /** What must be new enough: writes, syncs, and reads behind a sync, as of the call of the sync. */
  const bound: { exchange: Exchange; calledAtUs: number }[] = [];
  for (const { links } of sessions) {
    for (const { exchanges } of links) {
      let syncedAtUs: number | null = null;
      for (const exchange of exchanges) {
        if (exchange.answer === null) continue;
        const { request, calledAtUs } = exchange;
        if (isNodeWrite(request)) {
          writes.push(exchange);
          bound.push({ exchange, calledAtUs });
        } else if (request.kind === 'sync') {
          syncedAtUs = calledAtUs;
          bound.push({ exchange, calledAtUs });
        } else if (syncedAtUs !== null) {
          bound.push({ exchange, calledAtUs: syncedAtUs });
        }
      }
    }
  }
  writes.sort((left, right) => left.answeredAtUs - right.answeredAtUs);
  bound.sort((left, right) => left.calledAtUs - right.calledAtUs);
  const breaches: string[] = [];
  let next = 0;
  let newest: Exchange | null = null;
  for (const { exchange, calledAtUs } of bound) {
    for (let write = writes[next]; write !== undefined; write = writes[++next]) {
      if (write.answeredAtUs >= calledAtUs) break;
      if (newest === null || zxidOf(write) > zxidOf(newest)) newest = write;
    }
    if (newest === null || exchange === newest) continue;
    const isLate = isNodeWrite(exchange.request)
      ? zxidOf(exchange) <= zxidOf(newest)
      : zxidOf(exchange) < zxidOf(newest);
    if (isLate) {
      breaches.push(
        `${describe(exchange)} has zxid ${hex(zxidOf(exchange))}, but before it was called ` +
          `${describe(newest)} had returned with ${hex(zxidOf(newest))}`,
      );
    }
  }
  return breaches;
}

const zxidOf = ({ answer }: Exchange): bigint => answer?.zxid ?? 0n;

/** The values that only this write writes; they tell its transaction from all others. */
function tagsOf(request: KeeperRequest): string[] {
  switch (request.kind) {
    case 'create':
    case 'setData':
      return request.data === '' ? [] : [request.data];
    case 'multi':
      return [...new Set(request.operations.flatMap(tagsOf))];
    default:
      return [];
  }
}

function dataOf(change: Change): string[] {
  if (change.kind === 'multi') return [...new Set(change.changes.flatMap(dataOf))];
  if (change.kind !== 'create' && change.kind !== 'setData') return [];
  return change.data === null || change.data.length === 0 ? [] : [change.data.toString()];
}

function checkProgramOrder(sessions: readonly SessionHistory[], order: CommittedOrder): string[] {
  const breaches: string[] = [];
  const zxids = new Map<string, bigint>();
  for (const { record } of order.transactions) {
    for (const tag of dataOf(record.change)) {
      const earlier = zxids.get(tag);
      if (earlier !== undefined) {
        breaches.push(`${tag.slice(0, 60)} is written twice: ${hex(earlier)}, ${hex(record.zxid)}`);
      }
      zxids.set(tag, record.zxid);
    }
  }
  for (const { client, links } of sessions) {
    let last: { exchange: Exchange; zxid: bigint } | null = null;
    for (const { exchanges } of links) {
      for (const exchange of exchanges) {
        for (const tag of tagsOf(exchange.request)) {
          const zxid = zxids.get(tag);
          if (zxid === undefined) continue;
          if (last !== null && zxid < last.zxid) {
            breaches.push(
              `${client}: ${describe(exchange)} became ${hex(zxid)}, but ${describe(last.exchange)}, ` +
                `asked before it, became ${hex(last.zxid)}`,
            );
          }
          last = { exchange, zxid };
        }
      }
    }
  }
  return breaches;
}
