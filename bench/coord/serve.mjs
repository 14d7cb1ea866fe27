/** Serves with one configuration file: the built package and nothing else, for measuring. */
import { readFileSync } from 'node:fs';
import { readZooCfg, startCoordinator } from '@odradek/coord';
import { nodeEnvironment, parseProperties } from '@odradek/runtime';

const [, , file = ''] = process.argv;
const { values } = readZooCfg(parseProperties(readFileSync(file, 'utf8'), file), {
  source: file,
  homeDirectory: '/',
});
await startCoordinator(nodeEnvironment(), values);
setInterval(() => {}, 2 ** 30);
