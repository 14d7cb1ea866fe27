/** The slow half: real foreign clients and killed processes, against the built packages. */
import base from './jest.config.js';

export default {
  ...base,
  testMatch: [
    '<rootDir>/test/interop/**/*.test.ts',
    '<rootDir>/test/chaos/**/*.test.ts',
    '<rootDir>/test/differential/**/*.compare.ts',
    // Wants Debian's ZooKeeper, which is not there yet when the quick tests run in CI.
    '<rootDir>/packages/coord/test/offline/real-zookeeper.test.ts',
  ],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 300_000,
  maxWorkers: 1,
  // A test that fails may leave its clients open, and they go on trying.
  forceExit: true,
};
