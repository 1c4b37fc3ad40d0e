/** Recurrent text classifiers and FT-Transformer: PyTorch's logits, loss, gradient and exact regularization. */
import test from 'ava';
import { TaskGraphs } from '../../src/artifacts/graphs.ts';
import { decayMask } from '../../src/layers/weight-decay.ts';
import { Scope } from '../../src/layers/scope.ts';
import { ftTransformer, type FtTransformerConfig } from '../../src/models/ft-transformer.ts';
import { buildTableModel, buildTextModel } from '../../src/models/index.ts';
import { type RecurrentConfig, recurrentText } from '../../src/models/recurrent.ts';
import * as ops from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { Random } from '../../src/random.ts';
import { classification } from '../../src/tasks/classification.ts';
import type { Task } from '../../src/tasks/task.ts';
import { run } from '../_run.ts';
import { differences } from '../_steps.ts';
import { type Golden, GOLDENS, weightsOf } from './_golden-sequence.ts';
import { expectSlicesToAgree } from './_sliced.ts';

function taskOf({ model, length, classes }: Golden): Task {
  if (model.kind === 'mlp' || model.kind === 'ft-transformer') {
    const features = model.kind === 'mlp' ? 0 : model.columns.reduce((sum, each) => sum + each, 0);
    // Without its rates, which PyTorch's numbers are without.
    const config = model.kind === 'mlp' ? model : { ...model, dropout: 0, attentionDropout: 0 };
    return classification({
      fields: { x: { dtype: 'float32', shape: [features] } },
      classes,
      model: (scope, { x }) => buildTableModel(scope, x ?? ops.input('x', []), classes, config),
    });
  }
  return classification({
    fields: { tokens: { dtype: 'int32', shape: [length] } },
    classes,
    model: (scope, { tokens }) => buildTextModel(scope, tokens ?? ops.input('x', []), classes, model),
  });
}

function feedsOf(golden: Golden): Record<string, Float32Array | Int32Array> {
  const { batch, classes, x, model } = golden;
  return {
    ...weightsOf(golden),
    ...(model.kind === 'ft-transformer' ? { x: Float32Array.from(x) } : { tokens: Int32Array.from(x) }),
    labels: Int32Array.from({ length: batch }, (_, i) => i % classes),
    'scalar/labelSmoothing': Float32Array.of(0),
    'weight/loss': Float32Array.of(batch),
    lambda: Float32Array.of(golden.lambda),
  };
}

for (const [name, golden] of Object.entries(GOLDENS)) {
  const task = taskOf(golden);

  for (const [kind, graph] of [
    ['gradient', 'loss-grad'],
    ['exact', 'gr-exact'],
  ] as const) {
    test(`${name}: PyTorch's loss and ${kind === 'exact' ? 'exact regularization' : 'gradient'}`, async (t) => {
      const graphs = new TaskGraphs(task, { batch: golden.batch });
      const out = await run(graphs.graph(graph).outputs, feedsOf(golden));
      t.true(Math.abs((out.loss?.[0] ?? Number.NaN) / golden.loss - 1) < 1e-5, String(out.loss));
      const paths = graphs.parameters.map(({ path }) => path);
      t.deepEqual(paths.toSorted(), Object.keys(golden[kind]).sort());
      const got = paths.map((path) => out[`grad/${path}`] ?? new Float32Array());
      const expected = paths.map((path) => Float32Array.from(golden[kind][path] ?? []));
      const [worst] = differences(got, expected, paths);
      t.true((worst?.error ?? 1) < 1e-4, `${worst?.name}: ${worst?.error}`);
    });
  }

  test(`${name}: PyTorch's logits by the graph that is exported`, async (t) => {
    const graphs = new TaskGraphs(task, { batch: 1 });
    const { logits } = await run(graphs.graph('infer').outputs, feedsOf(golden));
    t.is(logits?.length, golden.logits.length);
    golden.logits.forEach((value, i) => {
      t.true(Math.abs((logits?.[i] ?? Number.NaN) - value) < 1e-5, `${logits}`);
    });
  });
}
