/**
 * Gives every batch normalization running statistics of its own. Exporters write tensors that are equal once: those of a
 * network that was not trained yet all are, and would then be moved by several nodes.
 */
import type { ModelProto, NodeProto, TensorProto } from '../onnx/proto.ts';

/** Which inputs of BatchNormalization are the running mean and variance. */
export const STATISTICS = [3, 4];

/** The model with a copy of each tensor for every further node, also where PyTorch has an Identity of it in between. */
export function withOwnStatistics(model: ModelProto): ModelProto {
  const { graph } = model;
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const copied = new Map(
    graph.node.flatMap(({ opType, input: [from = ''], output: [to = ''] }) =>
      opType === 'Identity' && initializers.has(from) ? [[to, from] as const] : [],
    ),
  );
  const taken = new Set<string>();
  const own = new Map<string, TensorProto>();
  const ownOf = (name: string): string => {
    const tensor = initializers.get(copied.get(name) ?? name);
    if (!tensor) return name;
    let free = name;
    for (let number = 2; taken.has(free); number++) free = `${name}.${number}`;
    taken.add(free);
    if (free !== tensor.name) own.set(free, { ...tensor, name: free });
    return free;
  };
  const node = graph.node.map((each): NodeProto => {
    if (each.opType !== 'BatchNormalization' || each.domain !== '') return each;
    return { ...each, input: each.input.map((name, i) => (STATISTICS.includes(i) ? ownOf(name) : name)) };
  });
  if (own.size === 0) return model;
  return {
    ...model,
    graph: {
      ...graph,
      initializer: [...graph.initializer, ...own.values()],
      node: node.filter(({ output: [name = ''] }) => !own.has(name)),
    },
  };
}
