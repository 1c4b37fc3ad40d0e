import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { UserError } from '../src/errors.ts';
import { writeJson, writeWhole } from '../src/whole-file.node.ts';
import { temporaryFolder } from './storage/_records.ts';

test('a file is written whole, over an older one', async (t) => {
  const folder = temporaryFolder(t);
  const file = path.join(folder, 'a.json');
  await writeWhole(file, 'old');
  await writeJson(file, { a: 1 });
  t.is(readFileSync(file, 'utf8'), '{\n  "a": 1\n}\n');
  t.deepEqual(readdirSync(folder), ['a.json']);
});

test('where it cannot be written, the error names it, not the name that it has meanwhile, and nothing is left', async (t) => {
  const folder = temporaryFolder(t);
  const below = path.join(folder, 'nowhere', 'a.onnx');
  await t.throwsAsync(writeWhole(below, ''), {
    instanceOf: UserError,
    message: `${below}: no such file or folder; check the path`,
  });
  const taken = path.join(folder, 'taken');
  mkdirSync(taken);
  await t.throwsAsync(writeWhole(taken, ''), {
    instanceOf: UserError,
    message: new RegExp(`^${taken}: it is a folder`),
  });
  t.deepEqual(readdirSync(folder), ['taken']);
});
