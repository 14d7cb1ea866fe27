/** Programs of the Apache projects, fetched from Maven Central by a `pom.xml` that lies in a folder of its own. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Sees to it that the jars that `folder`/pom.xml names lie in `folder`/lib.
 * @param marker a file that is there when all are
 * @returns the class path, or the reason why there is none
 */
export function fetchJars(
  folder: string,
  marker: RegExp,
): { readonly classPath: string } | { readonly reason: string } {
  if (!runs('java', '-version')) return { reason: 'there is no java' };
  const jars = join(folder, 'lib');
  if (!holds(jars, marker) && runs('mvn', '--version')) {
    mkdirSync(jars, { recursive: true });
    const goal = 'dependency:copy-dependencies';
    runs('mvn', '-q', '-B', '-f', join(folder, 'pom.xml'), goal, `-DoutputDirectory=${jars}`);
  }
  return holds(jars, marker)
    ? { classPath: join(jars, '*') }
    : { reason: `${folder}/pom.xml: the jars are not there and Maven cannot fetch them` };
}

const holds = (folder: string, marker: RegExp): boolean =>
  existsSync(folder) && readdirSync(folder).some((name) => marker.test(name));

function runs(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
