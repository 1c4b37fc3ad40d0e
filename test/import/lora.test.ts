/** Low-rank adapters beside PEFT 0.21.2, and merged into every kind of product. */
import test from 'ava';
import { TaskGraphs } from '../../src/artifacts/graphs.ts';
import { describeTask } from '../../src/artifacts/manifest.ts';
import { joined } from '../../src/bytes.ts';
import { expectAt } from '../../src/expect.ts';
import { dequantizedNumbers } from '../../src/import/dequantized.ts';
import { exportTrained } from '../../src/import/export.ts';
import type { ImportedModel } from '../../src/import/import-model.ts';
import { importModel } from '../../src/import/import-model.ts';
import { adapterPaths } from '../../src/import/lora.ts';
import { adapterWeights, parsePeftConfig, peftFiles } from '../../src/import/peft.ts';
import { createHostTrainer } from '../../src/run/host-trainer.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor } from '../../src/runtime/session.ts';
import { none } from '../../src/step/regularizers/none.ts';
import { adamw } from '../../src/step/rules/adam.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/storage/safetensors.ts';
import { importedTask } from '../../src/tasks/imported.ts';
import { load } from '../run/_train.ts';
import { type FileNode, type FileTensor, grid, onnxFile } from './_onnx-file.ts';

const CPU = { device: 'cpu', threads: 1 } as const;
const LORA = { target: /hidden|head/, rank: 2, alpha: 6 };

function transposed({ shape: [rows = 1, columns = 1], data }: FileTensor): FileTensor {
  const out = Float32Array.from({ length: rows * columns }, (_, i) =>
    Number(data[(i % rows) * columns + Math.floor(i / rows)]),
  );
  return { shape: [columns, rows], data: out };
}

/** Two layers, as PyTorch's two exporters write them: with names and Gemm, or products with renamed weights. */
const FILES: Readonly<Record<string, () => Uint8Array>> = {
  Gemm: () =>
    onnxFile({
      nodes: [
        {
          op: 'Gemm',
          inputs: ['x', 'hidden.weight', 'hidden.bias'],
          outputs: ['h'],
          attributes: { transB: 1 },
        },
        { op: 'Tanh', inputs: ['h'], outputs: ['t'] },
        {
          op: 'Gemm',
          inputs: ['t', 'head.weight', 'head.bias'],
          outputs: ['logits'],
          attributes: { transB: 1 },
        },
      ],
      tensors: TENSORS,
      inputs: { x: ['batch', 4] },
      outputs: { logits: ['batch', 3] },
    }),
  MatMul: () =>
    onnxFile({
      nodes: [
        { op: 'MatMul', name: '/hidden/MatMul', inputs: ['x', 'onnx::MatMul_7'], outputs: ['p'] },
        { op: 'Add', inputs: ['p', 'hidden.bias'], outputs: ['h'] },
        { op: 'Tanh', inputs: ['h'], outputs: ['t'] },
        { op: 'Transpose', inputs: ['head.weight'], outputs: ['turned'], attributes: { perm: [1, 0] } },
        { op: 'MatMul', name: '/head/MatMul', inputs: ['t', 'turned'], outputs: ['q'] },
        { op: 'Add', inputs: ['head.bias', 'q'], outputs: ['logits'] },
      ],
      tensors: {
        'onnx::MatMul_7': transposed(grid([5, 4])),
        'hidden.bias': grid([5], 0.2),
        'head.weight': grid([3, 5], 2),
        'head.bias': grid([3], 0.1),
      },
      inputs: { x: ['batch', 4] },
      outputs: { logits: ['batch', 3] },
    }),
};

const TENSORS = {
  'hidden.weight': grid([5, 4]),
  'hidden.bias': grid([5], 0.2),
  'head.weight': grid([3, 5], 2),
  'head.bias': grid([3], 0.1),
};

/** What scripts/peers/golden_lora.py prints: PEFT 0.21.2, torch 2.14.1. */
const PEFT = {
  losses: [1.2825356721878052, 1.190784215927124, 1.116508960723877],
  logits: [
    0.4989206790924072, 0.31261950731277466, -0.01514694094657898, -1.0711979866027832, -1.1400067806243896,
    -0.48327189683914185, 0.8404528498649597, 1.1031596660614014, 0.7522211074829102, -0.9863043427467346,
    -1.0264406204223633, -0.6500561237335205, 0.9103781580924988, 1.1767733097076416, 0.6797205805778503,
    0.35059869289398193, 0.12187904119491577, 0.1934458613395691,
  ],
  hiddenA: [-0.0597533, -0.1679491, 0.0208421, -0.093414, 0.3709949, -0.1009568, -0.0995661, 0.2755581],
  headB: [-0.1496498, -0.2673182, -0.0658517, -0.1738167, 0.2712536, 0.1557396],
  mergedHead: [
    0.13875122368335724, -0.7283148765563965, 0.043551862239837646, -0.45375731587409973, 0.3135380148887634,
    0.14666660130023956, -0.6844868659973145, 0.27682337164878845, -0.34180334210395813, 0.6168819069862366,
    -0.06527644395828247, -0.761394739151001, 0.9122411012649536, -0.16255563497543335, -0.4842231869697571,
  ],
};

/** Three steps of AdamW on the batch of the script. */
async function trained(
  model: ImportedModel,
): Promise<{ losses: number[]; values: Map<string, Float32Array> }> {
  const task = importedTask(model, { loss: 'cross-entropy', sha256: '' });
  const graphs = new TaskGraphs(task, { batch: 6 });
  const manifest = describeTask(task, graphs, { name: 'test', hash: '' });
  const trainer = createHostTrainer({
    manifest,
    plan: {
      ...{ regularizer: none, strength: () => ({ active: false, scalars: {} }), rule: adamw() },
      ...{ learningRate: () => 0.05, weightDecay: 0.1, clip: 0 },
    },
    batchSize: 6,
    seed: 1,
    load: (name) => load(graphs, name),
  });
  trainer.variables.initialize(1);
  for (const [path, values] of model.weights()) trainer.variables.array(path).set(values);
  for (const { path, shape } of manifest.variables) {
    const scale = path.endsWith('lora_A') ? 0.6 : 0.3;
    if (/lora_[AB]$/.test(path)) trainer.variables.array(path).set(grid(shape, scale).data);
  }
  const batch = {
    fields: { x: X.data, labels: Int32Array.of(0, 1, 2, 2, 1, 0) },
    ...{ examples: 6, indices: new Uint32Array(6), epoch: 0, step: 0 },
  };
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) losses.push((await trainer.step(step, batch)).loss);
  const values = new Map(
    trainer.variables
      .variables(['trainable', 'state'])
      .map(({ name, data }) => [name, Float32Array.from(data, Number)]),
  );
  await trainer.release();
  return { losses, values };
}

const X = grid([6, 4], 3);

async function run(bytes: Uint8Array, feeds: Record<string, Tensor>): Promise<Float32Array> {
  const session = await createSession(bytes, CPU);
  const [output] = Object.values(await session.run(feeds));
  await session.release();
  if (!(output?.data instanceof Float32Array)) throw new Error('test: expected float32');
  return output.data;
}

const distance = (got: ArrayLike<number> | undefined, wanted: readonly number[]): number =>
  Math.max(...wanted.map((x, i) => Math.abs(x - (got?.[i] ?? Number.NaN))));

for (const [kind, file] of Object.entries(FILES)) {
  test(`${kind}: three steps are PEFT's, and so are the merged weights`, async (t) => {
    const model = importModel(file(), { lora: LORA });
    t.deepEqual(
      model.adapters.map(({ module }) => module),
      ['hidden', 'head'],
    );
    const roles = model.variables.map(({ path, role }) => `${path} ${role}`);
    t.is(roles.filter((role) => role.endsWith('trainable')).length, 4, roles.join(', '));
    const { losses, values } = await trained(model);
    t.true(distance(losses, PEFT.losses) < 1e-5, String(losses));
    const [hidden, head] = [expectAt(model.adapters, 0), expectAt(model.adapters, 1)];
    t.true(distance(values.get(adapterPaths(hidden).a), PEFT.hiddenA) < 2e-6);
    t.true(distance(values.get(adapterPaths(head).b), PEFT.headB) < 2e-6);
    t.is(values.size, 4);

    const merged = exportTrained(model.source, { values, adapters: model.adapters });
    const logits = await run(merged, { x: { dtype: 'float32', shape: [6, 4], data: X.data } });
    t.true(distance(logits, PEFT.logits) < 1e-5);
    const weight = importModel(merged).weights().get('head.weight');
    t.true(distance(weight, PEFT.mergedHead) < 2e-6);
  });
}

test('a file for PEFT has its names and shapes, and is read again', (t) => {
  const model = importModel(expectAt(Object.values(FILES), 1)(), { lora: LORA });
  const values = new Map(
    model.adapters.flatMap((adapter) => {
      const paths = adapterPaths(adapter);
      return [
        [paths.a, grid(adapter.shapes.a).data] as const,
        [paths.b, grid(adapter.shapes.b, 2).data] as const,
      ];
    }),
  );
  const { config, tensors } = peftFiles(model.adapters, values, LORA);
  t.deepEqual(
    tensors.map(({ name, shape }) => [name, shape]),
    [
      ['base_model.model.hidden.lora_A.weight', [2, 4]],
      ['base_model.model.hidden.lora_B.weight', [5, 2]],
      ['base_model.model.head.lora_A.weight', [2, 5]],
      ['base_model.model.head.lora_B.weight', [3, 2]],
    ],
  );
  t.like(config, {
    peft_type: 'LORA',
    r: 2,
    lora_alpha: 6,
    target_modules: ['hidden', 'head'],
    modules_to_save: null,
  });
  t.deepEqual(parsePeftConfig(config, 'config'), { rank: 2, alpha: 6 });
  const read = decodeSafetensors(joined(encodeSafetensors(tensors)), 'file').tensors;
  t.deepEqual(adapterWeights(model.adapters, new Map(), read, 'file'), values);
  t.throws(() => adapterWeights(model.adapters, new Map(), read.slice(1), 'a.safetensors'), {
    message: 'a.safetensors: hidden.lora_A.weight: expected float32 [2, 4], got none',
  });
  t.throws(() => parsePeftConfig({ ...config, peft_type: 'IA3' }, 'adapter_config.json'), {
    message: 'adapter_config.json: peft_type: expected "LORA", got "IA3"',
  });
  t.throws(() => importModel(expectAt(Object.values(FILES), 0)(), { lora: { ...LORA, target: /query/ } }), {
    message: /--lora query: finds none of the 2 products with a weight; their names are hidden, head/,
  });
});

test('an adapter of a convolution: as the merged kernel gives', async (t) => {
  const node: FileNode = {
    ...{ op: 'Conv', name: '/stem/Conv', inputs: ['image', 'stem.weight', 'stem.bias'], outputs: ['c'] },
    attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] },
  };
  const file = onnxFile({
    nodes: [
      node,
      { op: 'Relu', inputs: ['c'], outputs: ['r'] },
      { op: 'GlobalAveragePool', inputs: ['r'], outputs: ['p'] },
      { op: 'Flatten', inputs: ['p'], outputs: ['logits'] },
    ],
    tensors: { 'stem.weight': grid([4, 3, 3, 3]), 'stem.bias': grid([4]) },
    inputs: { image: ['batch', 3, 8, 8] },
    outputs: { logits: ['batch', 4] },
  });
  await sameWhenMerged(t, file, { image: [2, 3, 8, 8] });
});

test('an adapter of a quantized product: its base stays as it is, and is merged in float32', async (t) => {
  const file = onnxFile({
    nodes: [
      {
        op: 'DequantizeLinear',
        inputs: ['w_quantized', 'w_scale', 'w_zero'],
        outputs: ['w'],
        attributes: { axis: 1 },
      },
      { op: 'MatMul', name: '/stem/MatMul', inputs: ['x', 'w'], outputs: ['logits'] },
    ],
    tensors: {
      w_quantized: { shape: [4, 3], data: Int8Array.from({ length: 12 }, (_, i) => 20 * i - 100) },
      w_scale: { shape: [3], data: Float32Array.of(0.01, 0.02, 0.03) },
      w_zero: { shape: [3], data: Int8Array.of(1, 0, -3) },
    },
    inputs: { x: ['batch', 4] },
    outputs: { logits: ['batch', 3] },
    opset: 13,
  });
  const model = importModel(file, { lora: { target: /stem/, rank: 2, alpha: 2 } });
  const numbers = dequantizedNumbers(model.source, 'w');
  // (−100 − 1)·0.01, (−80 − 0)·0.02, (−60 + 3)·0.03
  t.true(distance(numbers, [-1.01, -1.6, -1.71]) < 1e-6);
  await sameWhenMerged(t, file, { x: [2, 4] });
});

/** What a model with an adapter computes in our graphs, and what the merged file computes. */
async function sameWhenMerged(
  t: { true(x: boolean, message?: string): void },
  file: Uint8Array,
  shapes: Record<string, readonly number[]>,
): Promise<void> {
  const model = importModel(file, { lora: { target: /stem/, rank: 2, alpha: 3 } });
  const task = importedTask(model, { loss: 'cross-entropy', sha256: '' });
  const graphs = new TaskGraphs(task, { batch: 2 });
  const values = new Map(
    graphs.pass.variables
      .filter(({ role }) => role === 'trainable')
      .map(({ path, shape }) => [path, grid(shape).data] as const),
  );
  t.true(values.size === 2, [...values.keys()].join(', '));
  const feeds = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]): [string, Tensor] => [
      name,
      { dtype: 'float32', shape, data: grid(shape, 4).data },
    ]),
  );
  const session = await load(graphs, 'infer');
  const weights = graphs.pass.variables.map(({ path, shape }): [string, Tensor] => [
    path,
    { dtype: 'float32', shape, data: values.get(path) ?? model.weights().get(path) ?? new Float32Array() },
  ]);
  const { logits } = await session.run({ ...Object.fromEntries(weights), ...feeds });
  await session.release();
  const merged = exportTrained(model.source, { values, adapters: model.adapters });
  const wanted = await run(merged, feeds);
  const plain = await run(file, feeds);
  t.true(distance(Float32Array.from(logits?.data ?? [], Number), [...wanted]) < 1e-5);
  t.true(distance(plain, [...wanted]) > 1e-2, 'the adapter does something');
}
