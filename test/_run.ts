/** Runs graphs in ONNX Runtime for tests: values in, Float32Arrays out. */
import { type Graph, topologicalOrder } from '../src/onnx/graph.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { staticShape } from '../src/onnx/shapes.ts';
import { isOp, type Value } from '../src/onnx/value.ts';
import { createSession } from '../src/runtime/ort.node.ts';
import type { Tensor } from '../src/runtime/session.ts';

type Data = Float32Array | Int32Array;

/** The graph of these outputs, its inputs found by walking. */
export function graphOf(outputs: Readonly<Record<string, Value>>): Graph {
  const inputs = topologicalOrder(Object.values(outputs)).flatMap((node) =>
    isOp(node, 'Input') ? [...node.outputs] : [],
  );
  return { name: 'test', inputs, outputs };
}

/** Runs the outputs in ONNX Runtime on the data given for each input's name. */
export async function run(
  outputs: Readonly<Record<string, Value>>,
  data: Readonly<Record<string, Data>>,
): Promise<Record<string, Float32Array>> {
  const graph = graphOf(outputs);
  const session = await createSession(serialize(graph), { device: 'cpu', threads: 1 });
  const feeds = graph.inputs.map((value): [string, Tensor] => {
    const name = isOp(value.node, 'Input') ? value.node.attributes.name : '';
    const values = data[name];
    if (!values) throw new Error(`test: no data for input ${name}`);
    const dtype = values instanceof Float32Array ? 'float32' : 'int32';
    return [name, { dtype, shape: staticShape(value.shape), data: values }];
  });
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, tensor]) => [name, Float32Array.from(tensor.data, Number)]),
  );
}
