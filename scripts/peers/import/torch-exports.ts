/**
 * Compares networks that PyTorch exported (torch_exports.py) with what PyTorch computes: the outputs, the gradient of a
 * loss, and the gradient of the gradient's squared norm, which exact gradient regularization takes.
 *
 *     npm run peers:import-torch -- FOLDER [--only REGEXP]
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { grad } from '../../../src/autodiff/grad.ts';
import { messageOf } from '../../../src/errors.ts';
import { importModel } from '../../../src/import/import-model.ts';
import { Scope } from '../../../src/layers/scope.ts';
import { softmaxCrossEntropy } from '../../../src/losses/cross-entropy.ts';
import { add, input, mul, oneHot, reduceMean, reduceSum } from '../../../src/onnx/ops.ts';
import { sizeOf } from '../../../src/onnx/shapes.ts';
import type { Value } from '../../../src/onnx/value.ts';
import type { TensorData } from '../../../src/runtime/session.ts';
import { run } from '../../../test/_run.ts';
import { distance } from './distance.ts';

interface Meta {
  readonly inputs: readonly { readonly dtype: string; readonly shape: readonly number[] }[];
  readonly output: readonly number[];
  readonly loss: number;
  readonly norm: number;
  readonly parameters: readonly string[];
  /** How many the network has: what an exporter folds into others is not compared. */
  readonly of: number;
}

const bytesOf = (file: string): ArrayBuffer => Uint8Array.from(readFileSync(file)).buffer;
const floats = (file: string): Float32Array => new Float32Array(bytesOf(file));

async function compare(folder: string): Promise<string> {
  const meta: Meta = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8'));
  const model = importModel(readFileSync(join(folder, 'model.onnx')));
  const data: Record<string, TensorData> = {};
  const fields = Object.fromEntries(
    meta.inputs.map(({ dtype, shape }, i): [string, Value] => {
      const name = `input${i}`;
      const file = join(folder, `${name}.bin`);
      data[name] = dtype === 'int64' ? new BigInt64Array(bytesOf(file)) : floats(file);
      return [name, input(name, shape, dtype === 'int64' ? 'int64' : 'float32')];
    }),
  );
  data.targets = new Int32Array(bytesOf(join(folder, 'targets.bin')));
  const scope = new Scope({ training: false });
  const { output } = model.predict(scope, fields);
  if (!output) throw new Error('no output');
  const [batch = 1, classes = 1] = meta.output;
  const targets = input('targets', [batch], 'int32');
  const losses =
    meta.output.length === 2
      ? softmaxCrossEntropy(output, oneHot(targets, classes))
      : mul(mul(output, output), 1);
  const loss = reduceMean(losses);
  const byPath = new Map(scope.variables.map(({ path, value }) => [path, value]));
  const variables = meta.parameters.flatMap((path) => byPath.get(path) ?? []);
  if (variables.length < meta.parameters.length) throw new Error('a parameter is no variable');
  const gradients = grad(loss, variables);
  const norm = gradients.map((each) => reduceSum(mul(each, each))).reduce((a, b) => add(a, b));
  const seconds = grad(norm, variables);
  const outputs: Record<string, Value> = { output, loss, norm };
  meta.parameters.forEach((_, i) => {
    const [first, second] = [gradients[i], seconds[i]];
    if (first && second) Object.assign(outputs, { [`g${i}`]: first, [`s${i}`]: second });
  });
  const results = await run(outputs, { ...data, ...Object.fromEntries(model.weights()) });
  const joined = (kind: string): Float32Array => {
    const all = new Float32Array(variables.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
    let at = 0;
    meta.parameters.forEach((__, i) => {
      const part = results[`${kind}${i}`] ?? new Float32Array();
      all.set(part, at);
      at += part.length;
    });
    return all;
  };
  const distances = [
    distance(results.output ?? [], floats(join(folder, 'output.bin'))),
    distance(joined('g'), floats(join(folder, 'gradients.bin'))),
    distance(joined('s'), floats(join(folder, 'seconds.bin'))),
  ];
  const isRight = distances.every((each, i) => each <= (i === 0 ? 1e-4 : 1e-3));
  const shown = distances.map((each) => each.toExponential(1)).join(' | ');
  return `${meta.parameters.length} of ${meta.of} | ${shown} | ${isRight ? 'right' : 'WRONG'}`;
}

const { values: flags, positionals } = parseArgs({
  options: { only: { type: 'string' } },
  allowPositionals: true,
});
const [root = ''] = positionals;
process.stdout.write(
  '| network | parameters compared | outputs | gradient | exact GR | |\n|---|---|---:|---:|---:|---|\n',
);
for (const name of readdirSync(root)
  .filter((each) => new RegExp(flags.only ?? '').test(each))
  .sort()) {
  if (!existsSync(join(root, name, 'meta.json'))) continue;
  const row = await compare(join(root, name)).catch(
    (error: unknown) => `ERROR ${messageOf(error).slice(0, 400)}`,
  );
  process.stdout.write(`| ${name} | ${row} |\n`);
}
