/** The package's command, from source. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'ava';
import { running } from '../_node.ts';

const ortgrad = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, running('src/cli/main.ts', ...args), {
    encoding: 'utf8',
    env: { ...process.env, FORCE_COLOR: '', npm_command: 'exec' },
  });
  return { status, stdout, stderr };
};

test('--version prints the version of the package', (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  t.deepEqual(ortgrad('--version'), { status: 0, stdout: `${version}\n`, stderr: '' });
});

test('a command that is nearly one is named', (t) => {
  const { status, stderr } = ortgrad('evalaute', 'runs/a');
  t.is(status, 1);
  t.is(
    stderr,
    'error: "evalaute": unknown command; did you mean evaluate?; expected one of train, evaluate, export, graphs, artifacts, inspect, report, study, web\n',
  );
});

test('usage and advice are what the user of the package types', (t) => {
  t.regex(ortgrad('--help').stdout, /^Usage: npx ortgrad <command> \[options\]; commands: train, /);
  for (const command of [
    'train',
    'evaluate',
    'export',
    'graphs',
    'artifacts',
    'inspect',
    'report',
    'study',
  ]) {
    const { stdout } = ortgrad(command, '--help');
    t.true(stdout.includes(`npx ortgrad ${command}`), command);
    t.false(stdout.includes('npm run'), command);
  }
  t.is(ortgrad('train', '3').stderr, 'error: unexpected argument "3": flags begin with --\n');
});
