/**
 * What a client may ask for its session beyond the original: linearizable reads.
 *
 * Asked for by an auth packet of a scheme of our own, because clients send their auth packets again
 * whenever they reconnect, so the wish lasts as long as the session; and because a server that does
 * not know it refuses it, so that nobody believes in vain to have what he asked for. It is no
 * identity and gives no permission.
 *
 *     addauth odradek reads=linearizable      (back to ordinary: reads=sequential)
 */
import { opCodes } from '@odradek/protocol/zookeeper';

export const OPTIONS_SCHEME = 'odradek';

export interface SessionOptions {
  /**
   * A read shows everything that was acknowledged to anybody before it was asked for. Otherwise it
   * shows what this server has applied, as in the original.
   */
  readonly linearizableReads: boolean;
}

/** @returns what is asked for; null when it is nothing that is known */
export function readSessionOptions(auth: Buffer | null): SessionOptions | null {
  switch (auth?.toString('utf8')) {
    case 'reads=linearizable':
      return { linearizableReads: true };
    case 'reads=sequential':
      return { linearizableReads: false };
    default:
      return null;
  }
}

/** Whether the operation shows the state of the tree. */
export function showsState(opCode: number): boolean {
  switch (opCode) {
    case opCodes.exists:
    case opCodes.getData:
    case opCodes.getChildren:
    case opCodes.getChildren2:
    case opCodes.getAcl:
    case opCodes.getAllChildrenNumber:
    case opCodes.getEphemerals:
    case opCodes.multiRead:
      return true;
    default:
      return false;
  }
}
