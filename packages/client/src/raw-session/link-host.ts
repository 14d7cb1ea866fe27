/** One link to one server: dialed, and its bytes cut into frames. What the frames mean is the session's affair. */
import { JuteFrameSplitter, MalformedMessage, type Reader } from '@odradek/protocol';
import type { Connection, Network } from '@odradek/runtime';

/** An answer lists a node's children in one frame: 64 MiB is a million names. */
const FRAME_BYTES_MAX = 64 * 1024 * 1024;

export interface LinkOwner {
  /** False once the link was given up: then nothing more is told of it. */
  isWanted(): boolean;
  up(connection: Connection): void;
  /** One whole frame; it may be kept. */
  frame(reader: Reader): void;
  /** It broke, did not come about, or the server says what makes no sense. */
  broken(reason: string): void;
}

export function openLink(
  address: Parameters<Network['connect']>[0],
  network: Network,
  owner: LinkOwner,
): void {
  const splitter = new JuteFrameSplitter(FRAME_BYTES_MAX);
  const data = (chunk: Buffer): void => {
    try {
      // Frames are slices of it, and data that was read is handed on as a slice of its frame.
      splitter.push(Buffer.from(chunk));
      for (let frame = splitter.next(); frame !== null; frame = splitter.next())
        if (owner.isWanted()) owner.frame(frame);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      owner.broken(error.message);
    }
  };
  network
    .connect(address, () => ({
      data,
      close: (error) => owner.broken(error?.message ?? 'closed by the server'),
    }))
    .then(
      (connection) => {
        if (owner.isWanted()) owner.up(connection);
        else connection.destroy();
      },
      (error: unknown) => owner.broken(error instanceof Error ? error.message : String(error)),
    );
}
