/** Files in: what was written comes back as it was, and what cannot be read is refused by name. */
import test from 'ava';
import { grad } from '../../src/autodiff/grad.ts';
import { topologicalOrder } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { print } from '../../src/onnx/print.ts';
import { decodeModel, encodeModel, type ModelProto } from '../../src/onnx/proto.ts';
import { read } from '../../src/onnx/read.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { CASES } from '../_cases.ts';
import { graphOf } from '../_run.ts';

for (const [op, cases] of Object.entries(CASES)) {
  test(`${op}: it and its gradient are read as they were written`, (t) => {
    for (const { shapes, f } of cases) {
      const xs = shapes.map((shape, i) => ops.input(`x${i}`, shape));
      const results = [f(...xs)].flat();
      t.true(topologicalOrder(results).some((node) => node.op === op));
      const loss = results.map((y) => ops.reduceSum(ops.mul(y, y))).reduce((sum, part) => ops.add(sum, part));
      const values = [...results, ...grad(loss, xs)];
      const graph = graphOf(Object.fromEntries(values.map((value, i) => [`y${i}`, ops.exp(value)])));
      t.is(print(read(serialize(graph)).graph), print(graph));
    }
  });
}

const [x, scale] = [ops.input('x', [2, 3]), ops.input('scale', [3])];
const bytes = serialize(
  graphOf({ y: ops.layerNormalization(ops.tanh(ops.add(x, ops.full([3], 0.5))), scale, 1e-5)[0] }),
);

test('half a file is refused, wherever it is cut', (t) => {
  for (let length = 0; length < bytes.length; length++) {
    t.throws(() => read(bytes.subarray(0, length)), { message: /^read: expected (an ONNX model|opset 18)/ });
  }
});

test('a flipped bit is refused with a reason, where it is not harmless', (t) => {
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const damaged = bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
    try {
      read(damaged);
    } catch (error) {
      t.regex(error instanceof Error ? error.message : '', /^read: /, `bit ${bit}`);
    }
  }
});

const part = <T>(values: readonly T[], index: number): T => {
  const value = values.at(index);
  if (value === undefined) throw new Error(`test: no part ${index}`);
  return value;
};
const int = (name: string, i: number) => ({ name, type: 2, i });

/** Valid ONNX that means something else than our ops of the same name. */
const FOREIGN: readonly [(model: ModelProto) => unknown, string][] = [
  [({ opsetImport }) => (part(opsetImport, 0).version = 21), 'read: expected opset 18, got 21'],
  [({ graph }) => (part(graph.node, 0).opType = 'Celu'), 'read: node Add: Celu is not in the op set'],
  [({ graph }) => (part(graph.node, 0).opType = 'toString'), 'read: node Add: toString is not in the op set'],
  [
    ({ graph }) => part(graph.node, -1).attribute.push(int('stash_type', 10)),
    'read: node LayerNormalization (LayerNormalization): expected attributes among [epsilon], got stash_type',
  ],
  [
    ({ graph }) => part(graph.node, -1).input.push('scale'),
    'read: node LayerNormalization (LayerNormalization): expected 2 operands, got 3',
  ],
  [({ graph }) => part(graph.node, 1).input.push('x'), 'read: node Tanh (Tanh): expected 1 operand, got 2'],
  [({ graph }) => (part(graph.node, 1).input[0] = 'z'), 'read: node Tanh: nothing before it is named "z"'],
  [
    ({ graph }) => (part(graph.initializer, 0).dataType = 11),
    'read: const/float32[3]: expected one of float32, float16, int32, int64, bool, uint8, got data type 11',
  ],
  [
    ({ graph }) => (part(graph.initializer, 0).rawData = new Uint8Array(8)),
    'read: initializer const/float32[3]: constant: expected 3 elements for shape [3], got 2',
  ],
  [
    ({ graph }) => (part(graph.initializer, 0).rawData = new Uint8Array(7)),
    'read: initializer const/float32[3]: expected 4 bytes for each float32, got 7',
  ],
  [({ graph }) => (part(graph.input, 0).type = null), 'read: input x: expected a tensor of known rank'],
  [({ graph }) => (part(graph.output, 0).name = 'z'), 'read: the outputs: nothing before it is named "z"'],
];

for (const [change, message] of FOREIGN) {
  test(`refused: ${message}`, (t) => {
    const model = decodeModel(bytes);
    change(model);
    t.throws(() => read(encodeModel(model)), { message });
  });
}

test('only the adding ScatterElements is ours', (t) => {
  const indices = ops.constant(Int32Array.of(0, 1, 1), [1, 3]);
  const model = decodeModel(serialize(graphOf({ y: ops.scatterElements(x, indices, ops.zeros([1, 3]), 0) })));
  const scatter = part(model.graph.node, -1);
  scatter.attribute = scatter.attribute.filter(({ name }) => name !== 'reduction');
  t.throws(() => read(encodeModel(model)), {
    message: 'read: node ScatterElements (ScatterElements): expected reduction add',
  });
});
