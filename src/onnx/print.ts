/** A graph as text, one node a line: for reading, for error reports and for snapshot tests. */
import { type Graph, inlineCalls, mapOutputs } from './graph.ts';
import { nameGraph } from './names.ts';
import { show } from './shapes.ts';
import { type ConstantData, isOp, type Node, operands, type Value } from './value.ts';

/**
 * ```text
 * mlp(x: float32[2, 3], fc/kernel: float32[3, 4])
 *   fc/MatMul = MatMul(x, fc/kernel) : float32[2, 4]
 *   y = Tanh(fc/MatMul) : float32[2, 4]
 * ```
 * Composites are shown inlined, scalar constants as numbers.
 */
export function print(graph: Graph): string {
  const flat = mapOutputs(graph, inlineCalls);
  const names = nameGraph(flat);
  const reference = (value: Value): string => {
    if (!isOp(value.node, 'Constant')) return names.value(value);
    const { data } = value.node.attributes;
    return value.shape.length === 0
      ? String(data[0])
      : `${value.dtype}${show(value.shape)}{${preview(data)}}`;
  };
  const typed = (value: Value): string => `${value.dtype}${show(value.shape)}`;
  const line = (node: Node): string => {
    const outputs = node.outputs.map((value) => names.value(value)).join(', ');
    const attributes = Object.entries(node.attributes).map(
      ([key, value]) => `, ${key}=${JSON.stringify(value, shortened)}`,
    );
    const types = node.outputs.map(typed).join(', ');
    return `  ${outputs} = ${node.op}(${operands(node).map(reference).join(', ')}${attributes.join('')}) : ${types}`;
  };
  const inputs = flat.inputs.map((value) => `${names.value(value)}: ${typed(value)}`);
  const nodes = names.order.filter((node) => !isOp(node, 'Input') && !isOp(node, 'Constant'));
  return [`${flat.name}(${inputs.join(', ')})`, ...nodes.map(line)].join('\n');
}

/** A number with the digits that float32 keeps, as a file does. */
function shortened(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(7)) : value;
}

function preview(data: ConstantData): string {
  const head: string[] = [];
  for (let i = 0; i < Math.min(4, data.length); i++) head.push(String(data[i]));
  return data.length > 4 ? `${head.join(', ')}, …` : head.join(', ');
}
