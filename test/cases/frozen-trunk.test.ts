/** A trunk that only runs: no node of a gradient is written for it, and its depth costs its forward pass alone. */
import test from 'ava';
import type { GraphName } from '../../src/artifacts/graphs.ts';
import { stopGradient } from '../../src/autodiff/functions.ts';
import { topologicalOrder } from '../../src/onnx/graph.ts';
import { tanh } from '../../src/onnx/ops.ts';
import type { Value } from '../../src/onnx/value.ts';
import type { Task } from '../../src/tasks/task.ts';
import { linear, named, perceptron } from '../run/_tasks.ts';
import { graphsOf } from '../run/_train.ts';

/** A head on a trunk of some layers, through which nothing is differentiated where it is `stopped`. */
function onTrunk(layers: number, stopped: boolean): Task {
  return {
    ...perceptron,
    predict(scope, fields) {
      let x: Value = named(fields, 'x');
      for (let i = 0; i < layers; i++) x = tanh(linear(scope.sub(`trunk${i}`), x, 8));
      return { output: linear(scope.sub('head'), stopped ? stopGradient(x) : x, 2) };
    },
  };
}

const frozen = ({ path, role }: { path: string; role: 'trainable' | 'frozen' | 'state' }) =>
  path.startsWith('trunk') ? 'frozen' : role;

const nodes = (task: Task, graph: GraphName): number =>
  topologicalOrder(Object.values(graphsOf({ task, roles: frozen }).graph(graph).outputs)).filter(
    ({ op }) => op !== 'Input' && op !== 'Constant',
  ).length;

for (const graph of ['loss-grad', 'gr-exact', 'hvp'] as const) {
  test(`${graph}: six more layers of the trunk are six more of its forward pass`, (t) => {
    for (const stopped of [true, false]) {
      const more = (name: GraphName) => nodes(onTrunk(8, stopped), name) - nodes(onTrunk(2, stopped), name);
      t.true(more('infer') >= 12);
      t.is(more(graph), more('infer'), stopped ? 'stopped' : 'frozen');
    }
  });
}
