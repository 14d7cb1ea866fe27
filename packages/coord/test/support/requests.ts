/** Bodies of requests, short. */
import {
  createRequest,
  deleteRequest,
  getDataRequest,
  getDataResponse,
  setDataRequest,
} from '@odradek/protocol';

export const anyone = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];

export const create = (path: string, data: string | null = '', flags = 0): Buffer =>
  createRequest.encode({
    path,
    data: data === null ? null : Buffer.from(data),
    acl: anyone,
    flags,
  });

export const set = (path: string, data: string, version = -1): Buffer =>
  setDataRequest.encode({ path, data: Buffer.from(data), version });

export const remove = (path: string, version = -1): Buffer =>
  deleteRequest.encode({ path, version });

/** exists, getData, getChildren and getChildren2. */
export const read = (path: string, watch = false): Buffer => getDataRequest.encode({ path, watch });

export const dataOf = (body: Buffer): string => String(getDataResponse.decode(body).data);
