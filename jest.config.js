/** Tests run from source: no build step, packages resolve through the `@odradek/source` condition. */
export default {
  testEnvironment: 'node',
  // Jest leaves one core to its own process, which has next to nothing to do: two cores would run one test at a time.
  maxWorkers: '100%',
  // No test asserts a time; this only ends one that hangs, on a machine however busy.
  testTimeout: 120_000,
  testMatch: ['<rootDir>/packages/*/test/**/*.test.ts', '<rootDir>/test/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/test/interop/', '/test/chaos/'],
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironmentOptions: { customExportConditions: ['@odradek/source', 'node', 'node-addons'] },
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { target: 'es2023', parser: { syntax: 'typescript' } } }],
  },
};
