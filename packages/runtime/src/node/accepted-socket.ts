/**
 * An accepted connection that receives into memory of ours.
 *
 * Node makes a new 64 KiB buffer for every read of a socket, which under load is most of what its
 * garbage collector works on. A socket made with the documented option `onread` reads into a given
 * buffer instead; but servers make their sockets themselves and take no such option. So the socket
 * a server hands out is emptied of its handle, the operating system's side of the connection, and
 * another socket is made around that handle. `handle` as an option of the constructor and
 * `_handle` are not documented, yet unchanged since Node 0.9, and Node's own cluster module and
 * http go by them. Where they are not as expected the accepted socket itself is used, and receives
 * in the ordinary way.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';

/** Given to `createServer`: nothing may be read by the socket that is put aside. */
export const ACCEPT_OPTIONS = { pauseOnConnect: true } as const;

interface Handle {
  useUserBuffer: unknown;
  readStart: unknown;
  onread: unknown;
}

interface WithHandle {
  _handle: Handle | null;
}

function isHandle(value: unknown): value is Handle {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'useUserBuffer' in value &&
    typeof value.useUserBuffer === 'function' &&
    'readStart' in value &&
    typeof value.readStart === 'function'
  );
}

function hasHandle(socket: object): socket is WithHandle {
  return '_handle' in socket && isHandle(socket._handle);
}

/**
 * The same connection, received through `onread`.
 * @param accepted from a server made with ACCEPT_OPTIONS; not to be used any more if another is returned
 * @returns null when this version of Node has no way to do that
 */
export function receivingInto(accepted: Socket, onread: OnReadOpts): Socket | null {
  if (!hasHandle(accepted)) return null;
  const handle = accepted._handle;
  accepted._handle = null;
  accepted.destroy(); // Without its handle that only tells the server that it is gone.
  // The types of the constructor know neither; those of connections know `onread`.
  const options: SocketConstructorOpts & { handle: unknown; onread: OnReadOpts } = {
    handle,
    allowHalfOpen: true,
    onread,
  };
  return new Socket(options);
}
