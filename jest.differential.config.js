/** Our coordination server and Apache ZooKeeper side by side, against the built packages. */
import base from './jest.config.js';

export default {
  ...base,
  testMatch: ['<rootDir>/test/differential/**/*.compare.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
};
