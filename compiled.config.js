/** The tests as scripts/compile.ts writes them. A single one runs from source: `npx ava test/models/vit.test.ts`. */
export default {
  files: ['build/test/**/*.test.js'],
  workerThreads: false,
  timeout: '5m',
};
