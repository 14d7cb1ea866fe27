/** A partition's log on a real disk: what is appended can be read, from memory, from files and after a restart. */
import { describe, expect, test } from '@jest/globals';
import { append, batchOf, bytesOf, openManager, readAll, withFolder, written } from './support.ts';

describe('append and read', () => {
  test('offsets are assigned, bytes come back as they went in', () =>
    withFolder(async (folder) => {
      const manager = await openManager(folder);
      const log = await manager.getOrCreate('t', 0, null);
      const first = batchOf({ count: 3 });
      const second = batchOf({ count: 2, mark: 9 });
      const result = log.appendAsLeader(first, { leaderEpoch: 5, origin: 'client' });
      expect(result).toMatchObject({
        firstOffset: 0,
        lastOffset: 2,
        duplicate: false,
        recordCount: 3,
      });
      log.appendAsLeader(second, { leaderEpoch: 5, origin: 'client' });
      expect(log.nextOffset).toBe(5);
      expect(log.logEndOffset).toBe(0);
      await written(log);
      expect(log.logEndOffset).toBe(5);
      const slice = log.read(0, 1000, 5, true);
      expect(slice).not.toBeInstanceOf(Promise);
      expect(bytesOf(await slice)).toEqual(Buffer.concat([first, second]));
      expect(log.latestEpoch).toBe(5);
      await manager.close();
      const again = await openManager(folder);
      const reopened = again.get('t', 0);
      expect(reopened?.logEndOffset).toBe(5);
      expect(await readAll(reopened!)).toEqual(Buffer.concat([first, second]));
      await append(reopened!, batchOf(), 6);
      expect(reopened!.logEndOffset).toBe(6);
      await again.close();
    }));
});
