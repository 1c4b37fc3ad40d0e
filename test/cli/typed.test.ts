import test from 'ava';
import { isScript, typed } from '../../src/cli/typed.ts';

const PROJECT = 'the project: npm run';
const WAYS: Record<string, { argv: string[]; env: Record<string, string>; study: string; train: string }> = {
  [PROJECT]: {
    argv: ['node', '/p/scripts/train.ts'],
    env: { npm_command: 'run-script' },
    study: 'npm run study',
    train: 'npm run train -- --resume a',
  },
  npx: {
    argv: ['node', '/cache/ortgrad', 'train'],
    env: { npm_command: 'exec' },
    study: 'npx ortgrad study',
    train: 'npx ortgrad train --resume a',
  },
  'a script of a project that has the package': {
    argv: ['node', '/p/node_modules/.bin/ortgrad', 'train'],
    env: { npm_command: 'run-script' },
    study: 'npx ortgrad study',
    train: 'npx ortgrad train --resume a',
  },
  'a global install': {
    argv: ['node', '/usr/local/bin/ortgrad', 'train'],
    env: {},
    study: 'ortgrad study',
    train: 'ortgrad train --resume a',
  },
};

for (const [way, { study, train, ...started }] of Object.entries(WAYS)) {
  test(`advice is what the user types: ${way}`, (t) => {
    t.is(typed('study', '', started), study);
    t.is(typed('train', '--resume a', started), train);
    t.is(isScript(started), way === PROJECT);
  });
}
