/** A command that fails in the way its first argument names. */
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { runMain } from '../../src/cli/fail.ts';
import { UserError } from '../../src/errors.ts';

const WAYS: Record<string, () => void | Promise<void>> = {
  none: () => console.log('fine'),
  user: () => {
    throw new UserError('--epochs: expected 1, got 2');
  },
  internal: () => {
    throw new Error('internal: no entry 3\nmore');
  },
  hostile: () => {
    throw new UserError('class \x1b[2Jcat\n: rename it');
  },
  'hostile internal': () => {
    throw new Error('\x1b[2Jcat');
  },
  system: () => {
    readFileSync('/no/such/file');
  },
  later: async () => {
    new Worker('setInterval(() => {}, 1000)', { eval: true });
    setTimeout(() => {
      throw new UserError('later');
    });
  },
  rejected: () => {
    void Promise.reject(new UserError('nobody waited'));
  },
};

await runMain(async ([way = '']) => WAYS[way]?.());
