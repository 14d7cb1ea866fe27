/**
 * Where kazoo is: as Debian packages it, and a later release from PyPI, which `.ci/run` puts into a virtual
 * environment by clients/requirements.txt.
 */
import { join } from 'node:path';
import { projectRoot } from '../support/workspace.ts';

export const kazoos = [
  { name: "kazoo 2.8 of Debian's python3-kazoo", python: '/usr/bin/python3' },
  {
    name: 'kazoo 2.11 from PyPI',
    python: join(projectRoot, 'test/interop/clients/python/bin/python3'),
  },
] as const;
