/**
 * A sum of many small parts becomes one operation over all of them. The weights of an unrolled network get a part of
 * their gradient from every step, in every order of derivatives:
 *
 *     Σ Gemm(Aᵢ, Bᵢ, transA) → Gemm(Concat(A), Concat(B), transA)
 *     Σ ReduceSum(Xᵢ, rows)  → ReduceSum(Concat(X), rows)
 *
 * One product with many rows runs at the speed of the matrix kernel; a product of few rows and an Add for each of them
 * mostly move the sum through memory. Parts of many rows, such as those of a convolution, stay apart: the copies would
 * cost more than they save.
 */
import { expectAt } from '../expect.ts';
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { add, concat, gemm, reduceSum } from '../onnx/ops.ts';
import { isOp, type Node, type Value } from '../onnx/value.ts';
import { Users } from './users.ts';

/** The fewest parts that are put together (a batch that is cut into slices has fewer), and the most rows of each. */
const FEWEST = 8;
const MOST_ROWS = 512;

export function sumAtOnce(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  const place = new Map<Node, number>();
  users.order.forEach((node, i) => {
    place.set(node, i);
  });
  const summed = new Map<Value, Value>();
  for (const node of users.order) {
    if (!isOp(node, 'Add')) continue;
    const [sum] = node.outputs;
    if (isTerm(sum, users)) continue;
    const together = togetherOf(termsOf(sum, users), users, place);
    if (together) summed.set(sum, together);
  }
  return summed.size === 0
    ? [...outputs]
    : rewriteGraph(outputs, keep, (value) => summed.get(value) ?? value);
}

/** Whether the value is an operand of a sum, and of nothing else. */
function isTerm(value: Value, users: Users): boolean {
  const [user] = users.of(value);
  return user !== undefined && isOp(user, 'Add') && users.isSingle(value) && isSameShape(value, user);
}

function isSameShape({ shape }: Value, { outputs: [y] }: Node<'Add'>): boolean {
  return shape.length === y.shape.length && shape.every((dim, i) => dim === y.shape[i]);
}

/** What a sum adds up, down to values that are no sums or that others need. */
function termsOf(sum: Value, users: Users): Value[] {
  const terms: Value[] = [];
  const queue = [sum];
  for (let value = queue.pop(); value; value = queue.pop()) {
    const { node } = value;
    if (isOp(node, 'Add') && (value === sum || isTerm(value, users))) queue.push(...node.inputs);
    else terms.push(value);
  }
  return terms;
}

/** The sum with the parts that fit each other as one; undefined where nothing fits. */
function togetherOf(
  terms: readonly Value[],
  users: Users,
  place: ReadonlyMap<Node, number>,
): Value | undefined {
  const groups = new Map<string, Value[]>();
  for (const term of terms) {
    const key = users.isSingle(term) ? keyOf(term) : '';
    const known = groups.get(key);
    if (known) known.push(term);
    else groups.set(key, [term]);
  }
  const sums = [...groups].map(([key, parts]) =>
    key === '' || parts.length < FEWEST ? undefined : one(parts, place),
  );
  if (sums.every((sum) => sum === undefined)) return undefined;
  const left = [...groups.values()].flatMap((parts, i) => sums[i] ?? parts);
  return left.reduce((a, b) => add(a, b));
}

/** Equal for parts that can be put together; empty for others. */
function keyOf({ node, shape }: Value): string {
  if (isOp(node, 'Gemm')) {
    const [a, b, c] = node.inputs;
    const { transA, transB, alpha } = node.attributes;
    const rows = Number(a.shape[0]);
    const fits = transA && !transB && !c && rows <= MOST_ROWS;
    return fits ? `Gemm ${alpha} ${a.shape[1]} ${b.shape[1]}` : '';
  }
  if (isOp(node, 'ReduceSum')) {
    const { axes, keepdims } = node.attributes;
    const [x] = node.inputs;
    const fits = axes.length === 1 && axes[0] === 0 && Number(x.shape[0]) <= MOST_ROWS;
    return fits ? `ReduceSum ${keepdims} ${shape}` : '';
  }
  return '';
}

/** The parts in the order in which what they are made of is computed first: equal orders give equal Concats. */
function one(parts: readonly Value[], place: ReadonlyMap<Node, number>): Value {
  const made = ({ node }: Value): number => {
    const [first] = node.inputs;
    return first ? (place.get(first.node) ?? 0) : 0;
  };
  const ordered = parts.toSorted((a, b) => made(a) - made(b));
  const { node } = expectAt(ordered, 0);
  const operand = (i: 0 | 1): Value =>
    concat(
      ordered.flatMap((part) => part.node.inputs[i] ?? []),
      0,
    );
  if (isOp(node, 'Gemm')) {
    return gemm(operand(0), operand(1), undefined, { transA: true, alpha: node.attributes.alpha });
  }
  if (!isOp(node, 'ReduceSum')) throw new Error(`internal: ${node.op} is no part of a sum`);
  return reduceSum(operand(0), node.attributes);
}
