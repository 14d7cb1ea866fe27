/** Tests run from source: no build step, packages resolve through the `@odradek/source` condition. */
export default {
  testEnvironment: 'node',
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
