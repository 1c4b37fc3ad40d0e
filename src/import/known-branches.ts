/**
 * An If whose condition is known while the graph is lowered is its branch. PyTorch writes such for shapes: whether an axis
 * that is to be squeezed has length 1.
 */
import { Scope } from '../layers/scope.ts';
import { input } from '../onnx/ops.ts';
import type { GraphProto, NodeProto, TensorProto } from '../onnx/proto.ts';
import { inlineFunctions, renamedNode } from './inline-functions.ts';
import type { BoundInputs } from './inputs.ts';
import { interpret } from './interpret.ts';
import { ordered } from './node-order.ts';
import type { OnnxModel } from './onnx-model.ts';
import type { OnnxNode } from './onnx-node.ts';
import { tensorSources } from './tensor-source.ts';
import { neededNodes } from './variables.ts';
import { inNewestForm } from './versions.ts';

/** A branch may have another If in it; a file has no deeper ones than its own messages may be nested. */
const DEEPEST = 40;

/** The model with the branch in place of each If that can be told. */
export function withKnownBranches(source: OnnxModel, bound: BoundInputs): OnnxModel {
  let now = source;
  for (let i = 0; i < DEEPEST; i++) {
    const taken = branchesTaken(now, bound);
    if (taken.size === 0) return now;
    now = spliced(now, taken);
  }
  return now;
}

/** The graphs of those If nodes whose conditions are known. */
function branchesTaken(source: OnnxModel, bound: BoundInputs): Map<OnnxNode, GraphProto> {
  const taken = new Map<OnnxNode, GraphProto>();
  const ifs = source.nodes.filter(({ op, domain }) => op === 'If' && domain === '');
  if (ifs.length === 0) return taken;
  const conditions = ifs.map(({ inputs: [condition = ''] }) => condition);
  const { nodes, constants } = inNewestForm(neededNodes(source.nodes, conditions));
  const { find } = interpret(
    {
      nodes,
      tensors: tensorSources(source, constants),
      ...{
        variables: new Map(),
        adapters: new Map(),
        trained: new Set(),
        trunk: new Set(),
        generalised: new Set(),
      },
      ...{ fed: bound.types, fixedBatch: bound.fixedBatch, dropout: false },
    },
    {
      scope: new Scope({ training: false }),
      batch: 'batch',
      source: (name, { shape, dtype }) => input(name, shape, dtype),
    },
  );
  for (const node of ifs) {
    const condition = find(node.inputs[0] ?? '')?.known?.data[0];
    if (condition === undefined) continue;
    const branch = node.attributes.get(condition === 0 ? 'else_branch' : 'then_branch')?.g;
    if (branch) taken.set(node, branch);
  }
  return taken;
}

function spliced(source: OnnxModel, taken: ReadonlyMap<OnnxNode, GraphProto>): OnnxModel {
  const initializers = new Map(source.initializers);
  const nodes = source.nodes.flatMap((node): readonly OnnxNode[] => {
    const branch = taken.get(node);
    if (!branch) return [node];
    const inlined = branchOf(node, branch);
    for (const [name, tensor] of inlined.initializers) initializers.set(name, tensor);
    return inlineFunctions({ ...source.proto, graph: { ...branch, node: inlined.nodes } });
  });
  const given = new Set([
    ...source.inputs.map(({ name }) => name),
    ...initializers.keys(),
    ...source.sparse.keys(),
  ]);
  return { ...source, nodes: ordered(nodes, given), initializers };
}

/** A branch's nodes and tensors, under names that no other branch has, and with the If's names for its outputs. */
function branchOf(
  { name: prefix, outputs }: OnnxNode,
  branch: GraphProto,
): { readonly nodes: NodeProto[]; readonly initializers: readonly (readonly [string, TensorProto])[] } {
  const own = new Set(branch.initializer.map(({ name }) => name));
  for (const { output } of branch.node) for (const name of output) own.add(name);
  const rename = (name: string): string => (name !== '' && own.has(name) ? `${prefix}/${name}` : name);
  const nodes = branch.node.map((node) => ({
    ...renamedNode(node, rename),
    name: `${prefix}/${node.name || node.opType}`,
  }));
  const results = branch.output.flatMap(({ name }, i): NodeProto[] => {
    const output = outputs[i] ?? '';
    if (output === '') return [];
    return [
      {
        name: `${output}#branch`,
        opType: 'Identity',
        domain: '',
        input: [rename(name)],
        output: [output],
        attribute: [],
      },
    ];
  });
  const initializers = branch.initializer.map((tensor) => [rename(tensor.name), tensor] as const);
  return { nodes: [...nodes, ...results], initializers };
}
