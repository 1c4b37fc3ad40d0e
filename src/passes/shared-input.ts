/**
 * Linear layers that share an input become one, whose result is split:
 *
 *     Gemm(x, W₁, b₁), Gemm(x, W₂, b₂) → Split(Gemm(x, [W₁ W₂], [b₁ b₂]))
 *
 * One larger product is faster than several narrow ones, in the gradient too. Where each piece is next cut into equal
 * parts and transposed (the heads of attention), the whole is cut and transposed at once. The pieces then lie one behind
 * the other, and a split along the first axis is the fastest. Applied before differentiation.
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { concat, gemm, reshape, split, transpose } from '../onnx/ops.ts';
import { sameShape, staticDim } from '../onnx/shapes.ts';
import { isOp, type Node, operands, type Value } from '../onnx/value.ts';
import { Users } from './users.ts';

type Linear = Node<'Gemm'>;

export function mergeSharedInputs(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  const merged = new Map<Value, Value>();
  for (const layers of groups(users)) {
    const columns = layers.map(({ inputs: [, b] }) => staticDim(b.shape[1], 'Gemm', b.shape));
    const [x] = layers[0]?.inputs ?? [];
    if (!x) continue;
    const kernel = concat(
      layers.map(({ inputs: [, b] }) => b),
      1,
    );
    const biases = layers.flatMap(({ inputs: [, , c] }) => (c ? [c] : []));
    const y = gemm(x, kernel, biases.length > 0 ? concat(biases, -1) : undefined);
    const heads = layers.map(({ outputs: [value] }) => transposedParts(value, users));
    const [same] = heads;
    if (same && heads.every((head) => head && isAlike(head, same))) {
      // [rows, n·…] → [n, …]: the first axis counts the pieces, and each is what its own Transpose would give.
      const [, ...parts] = [0, ...same.reshape.attributes.shape];
      const lead = parts.slice(0, same.kept);
      const apart = reshape(y, [...lead, layers.length, ...parts.slice(same.kept)]);
      const perm = same.transpose.attributes.perm.map((axis) => (axis < same.kept ? axis : axis + 1));
      const pieces = split(
        transpose(apart, [same.kept, ...perm]),
        0,
        layers.map(() => 1),
      );
      heads.forEach((head, i) => {
        const piece = pieces[i];
        if (!head || !piece) return;
        const [result] = head.transpose.outputs;
        merged.set(result, reshape(piece, result.shape));
      });
    } else {
      const pieces = split(y, 1, columns);
      layers.forEach(({ outputs: [value] }, i) => {
        merged.set(value, pieces[i] ?? value);
      });
    }
  }
  return rewriteGraph(outputs, keep, (value) => merged.get(value) ?? value);
}

/** The groups of linear layers that share an input, of two layers or more. */
function groups(users: Users): Linear[][] {
  const byInput = new Map<string, Linear[]>();
  const ids = new Map<Value, number>();
  for (const node of users.order) {
    if (!isOp(node, 'Gemm')) continue;
    const [a, b, c] = node.inputs;
    const { transA, transB, alpha, beta } = node.attributes;
    if (transA || transB || alpha !== 1 || beta !== 1) continue;
    // Layers also share an input where each reads it through a Reshape of its own.
    const source = isOp(a.node, 'Reshape') ? a.node.inputs[0] : a;
    const id = ids.get(source) ?? ids.size;
    ids.set(source, id);
    // A bias that is broadcast along the columns cannot lie beside others.
    if (c && c.shape.at(-1) !== b.shape[1]) continue;
    const key = `${id} ${a.shape} ${c ? c.shape.slice(0, -1) : 'none'}`;
    byInput.set(key, [...(byInput.get(key) ?? []), node]);
  }
  const depths = depthsOf(users.order);
  return [...byInput.values()]
    .map((layers) => independent(layers, depths))
    .filter((layers) => layers.length > 1);
}

/**
 * The layers that can be computed together with the first: those whose weights and biases are less deep than it. A
 * merged layer then never needs, for its weights, a value that depends on its own result.
 */
function independent(layers: readonly Linear[], depths: ReadonlyMap<Node, number>): Linear[] {
  const depth = (node: Node): number => depths.get(node) ?? 0;
  const least = Math.min(...layers.map(depth));
  return layers.filter(({ inputs: [, b, c] }) => depth(b.node) < least && (!c || depth(c.node) < least));
}

/** For each node the length of the longest chain of nodes above it. */
function depthsOf(order: readonly Node[]): Map<Node, number> {
  const depths = new Map<Node, number>();
  for (const node of order) {
    depths.set(node, 1 + Math.max(-1, ...operands(node).map((value) => depths.get(value.node) ?? 0)));
  }
  return depths;
}

interface Parts {
  readonly reshape: Node<'Reshape'>;
  readonly transpose: Node<'Transpose'>;
  /** How many axes of the Reshape's result lie in front of what the last axis was cut into. */
  readonly kept: number;
}

/** The Reshape and the Transpose behind a linear layer; undefined where anything else uses its result. */
function transposedParts(value: Value, users: Users): Parts | undefined {
  const [user] = users.of(value);
  if (!user || !isOp(user, 'Reshape') || !users.isSingle(value)) return undefined;
  const [next] = users.of(user.outputs[0]);
  if (!next || !isOp(next, 'Transpose') || !users.isSingle(user.outputs[0])) return undefined;
  const { shape } = user.attributes;
  let size = 1;
  for (let kept = shape.length; kept > 0; kept--) {
    if (size === value.shape.at(-1) && kept < shape.length) return { reshape: user, transpose: next, kept };
    const dim = shape[kept - 1];
    if (typeof dim !== 'number') return undefined;
    size *= dim;
  }
  return undefined;
}

function isAlike(a: Parts, b: Parts): boolean {
  return (
    a.kept === b.kept &&
    sameShape(a.reshape.attributes.shape, b.reshape.attributes.shape) &&
    sameShape(a.transpose.attributes.perm, b.transpose.attributes.perm)
  );
}
