/**
 * The answer to a handshake as a frame.
 */
import { connectResponse, oldConnectResponse } from '@odradek/protocol/zookeeper';
import { PASSWORD_BYTES } from '../core/session/session-table.ts';
import type { HeldSession } from './sessions.ts';

/**
 * @param session null: there is no such session, or the password is wrong; clients take that as final
 * @param knowsReadOnly false for old clients, whose answer has one byte less
 * @param readOnly nobody leads: what is there is shown, and nothing changes
 */
export function greetingFrame(
  session: HeldSession | null,
  knowsReadOnly: boolean,
  readOnly: boolean,
): Buffer {
  const body = {
    protocolVersion: 0,
    timeOut: session?.timeoutMs ?? 0,
    sessionId: session?.id ?? 0n,
    passwd: session?.password ?? Buffer.alloc(PASSWORD_BYTES),
    readOnly,
  };
  const answer = knowsReadOnly ? connectResponse.encode(body) : oldConnectResponse.encode(body);
  const frame = Buffer.allocUnsafe(4 + answer.length);
  frame.writeInt32BE(answer.length, 0);
  answer.copy(frame, 4);
  return frame;
}
