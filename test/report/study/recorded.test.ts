/** The claims recorded in docs are judged by the current rule, in its current words. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { running } from '../../_node.ts';
import { temporaryFolder } from '../../storage/_records.ts';

test('the recorded claims are what the rule says of the recorded differences', (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'tables'));
  copyFileSync('docs/study/cpu/tables/claims.csv', join(folder, 'tables', 'claims.csv'));
  execFileSync(process.execPath, running('scripts/study-claims.ts', folder));
  for (const name of ['claims.csv', 'claims.md', 'claims.tex'])
    t.is(
      readFileSync(join(folder, 'tables', name), 'utf8'),
      readFileSync(join('docs/study/cpu/tables', name), 'utf8'),
      name,
    );
  t.regex(readFileSync('docs/study/cpu/tables/claims.csv', 'utf8'), /,98\.75,agrees,agrees/);
});
