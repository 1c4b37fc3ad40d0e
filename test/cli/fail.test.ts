import { spawnSync } from 'node:child_process';
import test from 'ava';
import { running } from '../_node.ts';

function run(...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, running('test/cli/_main.ts', ...argv), {
    encoding: 'utf8',
    env: { ...process.env, FORCE_COLOR: '' },
  });
  return { status, stdout, stderr };
}

test('a command that succeeds says nothing of it', (t) => {
  t.deepEqual(run('none'), { status: 0, stdout: 'fine\n', stderr: '' });
});

const FAILURES: Record<string, string> = {
  user: 'error: --epochs: expected 1, got 2\n',
  internal: 'internal error: no entry 3 (run with --verbose for the trace)\n',
  system: 'error: /no/such/file: no such file or folder; check the path\n',
  hostile: 'error: class \\u001b[2Jcat\\n: rename it\n',
  'hostile internal': 'internal error: \\u001b[2Jcat (run with --verbose for the trace)\n',
  later: 'error: later\n',
  rejected: 'error: nobody waited\n',
};

for (const [way, stderr] of Object.entries(FAILURES)) {
  test(`a failure is one line and exit code 1: ${way}`, (t) => {
    t.deepEqual(run(way), { status: 1, stdout: '', stderr });
  });
}

test('with --verbose the trace follows', (t) => {
  const { status, stderr } = run('internal', '--verbose');
  t.is(status, 1);
  t.regex(stderr, /^internal error: no entry 3\nError: internal: no entry 3\n(.*\n)*\s+at .*_main\.[tj]s/);
});
