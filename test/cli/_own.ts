/** A project of a user's own in a temporary folder, and the commands run in it, in this process. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ExecutionContext } from 'ava';
import { UserError } from '../../src/errors.ts';
import { decodeSafetensors } from '../../src/storage/safetensors.ts';
import { placeOf } from '../_node.ts';

/** Where a module of the user's finds the package: its public API, from source. */
const API = pathToFileURL(placeOf('src/index.ts')).href;

/**
 * A module that predicts y of two numbers x, and gives 64 examples of them to train with and 20 to test. `changes`
 * replaces texts in it.
 */
export function ownModule(changes: Readonly<Record<string, string>> = {}): string {
  return Object.entries(changes).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`test: the module has no ${from}`);
    return text.replaceAll(from, to);
  }, MODULE);
}

const FIELDS = "{ x: { dtype: 'float32', shape: [2] }, y: { dtype: 'float32', shape: [] } }";

const MODULE = `import * as og from '${API}';

export const task = {
  fields: ${FIELDS},
  predict(scope, { x }) {
    const hidden = og.tanh(og.dense(scope.sub('hidden'), x, 8));
    const out = og.dense(scope.sub('head'), hidden, 1);
    return { output: og.reshape(out, out.shape.slice(0, 1)) };
  },
  loss: ({ output }, { y }) => og.mse(output, y),
  metrics: { mae: og.meanAbsoluteError() },
};

${data('task.fields')}`;

/** The data of that module alone, which import nothing: the threads that read them start sooner. */
export const WAVES = data(FIELDS);

function data(fields: string): string {
  return `const split = (length) => ({
  length,
  read(index, out, at) {
    out.x.set([index / length, Math.sin(index)], 2 * at);
    out.y[at] = Math.cos(3 * Math.sin(index));
  },
});

export const open = () => ({
  name: 'waves',
  fields: ${fields},
  found: 'found 64 and 20 waves',
  about: {},
  bytes: 0,
  train: split(64),
  test: split(20),
});
`;
}

/** A project, which is the working folder from now on. */
export function ownProject(): {
  readonly folder: string;
  write(file: string, text: string): void;
  close(): void;
} {
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-own-'));
  const before = process.cwd();
  // For tsx, which the loader's thread imports.
  symlinkSync(path.resolve('node_modules'), path.join(folder, 'node_modules'));
  process.chdir(folder);
  return {
    folder,
    write: (file, text) => writeFileSync(path.join(folder, file), text),
    close() {
      process.chdir(before);
      rmSync(folder, { recursive: true });
    },
  };
}

/** What a command prints on stdout. */
export async function said(
  command: (argv: readonly string[]) => Promise<void>,
  ...argv: string[]
): Promise<string> {
  const write = process.stdout.write;
  let text = '';
  process.stdout.write = (chunk: string | Uint8Array) => {
    text += chunk;
    return true;
  };
  try {
    await command(argv);
  } finally {
    process.stdout.write = write;
  }
  return text;
}

/** The one line that a command fails with. */
export async function refusal(
  t: ExecutionContext,
  command: (argv: readonly string[]) => Promise<void>,
  ...argv: string[]
): Promise<string> {
  const error = await t.throwsAsync(said(command, ...argv), { instanceOf: UserError });
  const line = error?.message ?? '';
  t.false(line.includes('\n') || line.startsWith('internal:'), line);
  return line;
}

/** All numbers of a run's last checkpoint: variables, and the optimizer's slots. */
export function lastOf(run: string): Readonly<Record<string, unknown>> {
  const entries = ['model', 'optimizer'].flatMap((name) => {
    const file = path.join(run, 'last', `${name}.safetensors`);
    return decodeSafetensors(readFileSync(file), file).tensors.map(({ name: tensor, data }) => [
      `${name}: ${tensor}`,
      data,
    ]);
  });
  return Object.fromEntries(entries);
}
