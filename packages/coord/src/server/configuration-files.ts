/**
 * The configuration files after a change of members, as the original leaves them: the members in a file
 * of their own, named after their version; the main file without them, pointing there. Everything else
 * in the main file stays as it is, comments included; the first version of it is kept as `.bak`.
 *
 * The data directory knows the members as well, and counts; these files are for people and for tools.
 */
import { dirname, join } from 'node:path';
import { type Disk, parseProperties } from '@odradek/runtime';
import { type EnsembleServer, memberKey } from '../core/quorum/ensemble.ts';
import { versionOf } from '../core/transaction/members.ts';

const POINTER = 'dynamicConfigFile';
/** In the members' file from then on. */
const clientKeys = new Set(['clientPort', 'clientPortAddress']);

/**
 * @param mainFile the file that the server was started with
 * @param self the line of this server
 * @throws DiskError
 */
export async function writeMembers(
  disk: Pick<Disk, 'readFile' | 'replaceFile' | 'status' | 'remove'>,
  mainFile: string,
  ensembleText: string,
  self: EnsembleServer,
): Promise<void> {
  const text = (await disk.readFile(mainFile))?.toString('utf8');
  if (text === undefined) return;
  const version = versionOf(ensembleText);
  const file = `${mainFile}.dynamic.${version.toString(16)}`;
  const pointer = parseProperties(text, mainFile).findLast(({ key }) => key === POINTER)?.value;
  const old = pointer === undefined ? null : join(dirname(mainFile), pointer);
  if (pointer === file || old === file) return;
  if ((await disk.status(`${mainFile}.bak`)) === null) {
    await disk.replaceFile(`${mainFile}.bak`, text);
  }
  await disk.replaceFile(file, `${ensembleText}\n`);
  await disk.replaceFile(mainFile, pointingTo(text, mainFile, file, self.clientAddress !== null));
}

/**
 * The text of a main file whose members are in `file`.
 * @param namesClientPort whether the port for clients is there as well
 */
export function pointingTo(
  text: string,
  mainFile: string,
  file: string,
  namesClientPort: boolean,
): string {
  const entries = parseProperties(text, mainFile);
  const dropped = new Set(
    entries
      .filter(
        ({ key }) =>
          key === POINTER ||
          key === 'version' ||
          memberKey.test(key) ||
          (namesClientPort && clientKeys.has(key)),
      )
      .map(({ line }) => line),
  );
  let isDropped = false;
  let isContinued = false;
  const kept = text.split('\n').filter((line, index) => {
    isDropped = dropped.has(index + 1) || (isDropped && isContinued);
    isContinued = /(^|[^\\])(\\\\)*\\$/.test(line);
    return !isDropped;
  });
  const body = kept.join('\n').replace(/\n*$/, '');
  return `${body}\n${POINTER}=${file}\n`;
}
