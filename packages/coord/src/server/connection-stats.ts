/**
 * What `cons` and `stat` tell of one connection: counts, times, and the last thing it was answered.
 */
import { opCodes } from '@odradek/protocol/zookeeper';
import type { Queued } from './queued-request.ts';
import { LatencyStats, type ServerStats } from './server-stats.ts';

/** The original's short names of operations, in `lop`. */
const shortNames = new Map<number, string>([
  [opCodes.create, 'CREA'],
  [opCodes.create2, 'CREA'],
  [opCodes.createContainer, 'CREA'],
  [opCodes.createTtl, 'CREA'],
  [opCodes.delete, 'DELE'],
  [opCodes.exists, 'EXIS'],
  [opCodes.getData, 'GETD'],
  [opCodes.setData, 'SETD'],
  [opCodes.getAcl, 'GETA'],
  [opCodes.setAcl, 'SETA'],
  [opCodes.getChildren, 'GETC'],
  [opCodes.getChildren2, 'GETC'],
  [opCodes.sync, 'SYNC'],
  [opCodes.ping, 'PING'],
  [opCodes.multi, 'MULT'],
  [opCodes.multiRead, 'MLTR'],
  [opCodes.reconfig, 'RECO'],
  [opCodes.checkWatches, 'CHKW'],
  [opCodes.removeWatches, 'REMW'],
  [opCodes.setWatches, 'SETW'],
  [opCodes.setWatches2, 'STW2'],
  [opCodes.addWatch, 'ADDW'],
  [opCodes.getEphemerals, 'GETE'],
  [opCodes.getAllChildrenNumber, 'GETACN'],
  [opCodes.whoAmI, 'HOMI'],
  [opCodes.closeSession, 'CLOS'],
]);

/** In place of an operation: the session was made. */
const SESSION_MADE = -10;

export class ConnectionStats {
  received = 0;
  sent = 0;
  readonly latency = new LatencyStats();
  /** Wall clock. */
  readonly establishedAtMs: number;
  /** -1 until there was one; xids with a meaning of their own do not count. */
  lastXid = -1;
  lastZxid = -1n;
  /** Monotonic; 0 until there was one. */
  lastResponseAtMs = 0;
  lastLatencyMs = 0;
  #lastOpCode: number | null = null;
  readonly #server: ServerStats;

  /** @param server where everything is counted as well */
  constructor(server: ServerStats, establishedAtMs: number) {
    this.#server = server;
    this.establishedAtMs = establishedAtMs;
  }

  get lastOperation(): string {
    if (this.#lastOpCode === null) return 'NA';
    return this.#lastOpCode === SESSION_MADE ? 'SESS' : (shortNames.get(this.#lastOpCode) ?? 'NA');
  }

  countReceived(): void {
    this.received += 1;
    this.#server.packetsReceived += 1;
  }

  countSent(sizeBytes: number): void {
    this.sent += 1;
    this.#server.sent(sizeBytes);
  }

  /** The session was made on this connection. */
  opened(zxid: bigint, nowMs: number): void {
    this.#note({ xid: 0, opCode: SESSION_MADE }, zxid, nowMs, 0);
  }

  /** @returns how long it took, in ms */
  answered(
    request: Pick<Queued, 'xid' | 'opCode' | 'receivedAtMs'>,
    zxid: bigint,
    nowMs: number,
  ): number {
    const latencyMs = Math.max(0, nowMs - request.receivedAtMs);
    this.#server.latency.add(latencyMs);
    this.#note(request, zxid, nowMs, latencyMs);
    return latencyMs;
  }

  #note(
    { xid, opCode }: Pick<Queued, 'xid' | 'opCode'>,
    zxid: bigint,
    nowMs: number,
    latencyMs: number,
  ): void {
    if (xid >= 0) this.lastXid = xid;
    this.#lastOpCode = opCode;
    this.lastZxid = zxid;
    this.lastResponseAtMs = nowMs;
    this.lastLatencyMs = latencyMs;
    this.latency.add(latencyMs);
  }

  /** What `crst` forgets. */
  reset(): void {
    this.received = 0;
    this.sent = 0;
    this.latency.reset();
    this.lastXid = -1;
    this.lastZxid = -1n;
    this.lastResponseAtMs = 0;
    this.lastLatencyMs = 0;
    this.#lastOpCode = null;
  }
}
