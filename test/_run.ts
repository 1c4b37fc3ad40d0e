/** Runs graphs in ONNX Runtime for tests: values in, Float32Arrays out. */
import { type Graph, topologicalOrder } from '../src/onnx/graph.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { leftOver, staticShape } from '../src/onnx/shapes.ts';
import { isOp, type Shape, type Value } from '../src/onnx/value.ts';
import { createSession } from '../src/runtime/ort.node.ts';
import type { Tensor } from '../src/runtime/session.ts';

/** The values of an input, in the array of its dtype; bool is a Uint8Array. */
type Data = Tensor['data'];

/** The graph of these outputs, its inputs found by walking. */
export function graphOf(outputs: Readonly<Record<string, Value>>): Graph {
  const inputs = topologicalOrder(Object.values(outputs)).flatMap((node) =>
    isOp(node, 'Input') ? [...node.outputs] : [],
  );
  return { name: 'test', inputs, outputs };
}

/** The shape with its symbolic dimension worked out from the number of elements. */
function shapeOf(shape: Shape, count: number): readonly number[] {
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : -1));
  return staticShape(leftOver([count], dims));
}

/**
 * Runs the outputs in ONNX Runtime on the data given for each input's name. A symbolic batch is what the number of an
 * input's values says.
 */
export async function run(
  outputs: Readonly<Record<string, Value>>,
  data: Readonly<Record<string, Data>>,
  threads = 1,
): Promise<Record<string, Float32Array>> {
  const graph = graphOf(outputs);
  const session = await createSession(serialize(graph), { device: 'cpu', threads });
  const feeds = graph.inputs.map((value): [string, Tensor] => {
    const name = isOp(value.node, 'Input') ? value.node.attributes.name : '';
    const values = data[name];
    if (!values) throw new Error(`test: no data for input ${name}`);
    if (value.dtype === 'float16') throw new Error(`test: ${name} is float16, which no tensor holds`);
    return [name, { dtype: value.dtype, shape: shapeOf(value.shape, values.length), data: values }];
  });
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, tensor]) => [name, Float32Array.from(tensor.data, Number)]),
  );
}
