/**
 * Notifications of watches as frames.
 */
import {
  type EventType,
  replyHeader,
  SYNC_CONNECTED,
  Writer,
  watcherEvent,
  xids,
} from '@odradek/protocol/zookeeper';

const writer = new Writer();

/** @param zxid of the change; -1 when the client is told of it only after it came back */
export function eventFrame(event: EventType, path: string, zxid: bigint): Buffer {
  const body = watcherEvent.encode({ type: event, state: SYNC_CONNECTED, path });
  writer.begin();
  writer.int32(16 + body.length);
  replyHeader.encodeInto(writer, { xid: xids.notification, zxid, err: 0 });
  writer.copy(body);
  return writer.finishWhole();
}

/** Makes a frame once for all the connections that are told of the same event in a row. */
export class EventFrames {
  #event: EventType | null = null;
  #path = '';
  #zxid = 0n;
  #frame: Buffer = Buffer.alloc(0);

  frame(event: EventType, path: string, zxid: bigint): Buffer {
    if (event !== this.#event || path !== this.#path || zxid !== this.#zxid) {
      this.#frame = eventFrame(event, path, zxid);
      this.#event = event;
      this.#path = path;
      this.#zxid = zxid;
    }
    return this.#frame;
  }
}
