/**
 * Computes cheap values again where they are used late, so that they need not be kept. These are the terms of
 * activation functions: each is as large as the operand, and is computed from it. A node is late where the given early
 * results do not need it; in the graph of a regularized gradient the early results are the plain gradients.
 *
 *     f = cheap(x); early(f); late(f) → f = cheap(x); early(f); late(cheap'(x))
 *
 * This pass comes after the one for common subexpressions, which would merge the copies with their originals.
 */
import { isOfKind } from '../onnx/apply.ts';
import { keep, topologicalOrder, withInputs } from '../onnx/graph.ts';
import { type Node, operands, type Value } from '../onnx/value.ts';
import { isElementwise } from './elementwise.ts';
import { bytesOf, isStored, ownerOf } from './memory.ts';

/** The most operations that lead from kept values to one that is computed again. */
const LONGEST = 10;

/** The values that a value can be computed from again, and the number of elementwise operations that it takes. */
interface Recipe {
  readonly sources: ReadonlySet<Value>;
  readonly length: number;
}

export function recompute(outputs: readonly Value[], early: readonly Value[]): Value[] {
  const isEarly = new Set(topologicalOrder(early));
  const order = topologicalOrder(outputs);
  const late = order.filter((node) => !isEarly.has(node));
  const recipes = recipesOf(order.filter((node) => isEarly.has(node)));
  // A result of the graph is kept in any case: computing it again would save nothing.
  const results = new Set(outputs.map(ownerOf));
  const isKept = (value: Value) => isEarly.has(value.node) && isStored(value.node) && !results.has(value);
  const again = worthwhile(new Set(late.flatMap(operands).map(ownerOf).filter(isKept)), recipes);
  const copies = new Map<Value, Value>();
  const copy = (value: Value): Value => {
    const known = copies.get(value);
    if (known) return known;
    const isView = isOfKind(value.node, 'view') && recipes.has(ownerOf(value));
    if (!isView && !recipes.has(value)) return value;
    const inputs = operands(value.node).map(copy);
    const made = withInputs(value.node, inputs)[value.output] ?? value;
    copies.set(value, made);
    return made;
  };
  const rewritten = new Map<Node, readonly Value[]>();
  const now = (value: Value): Value => rewritten.get(value.node)?.[value.output] ?? value;
  for (const node of late) {
    const inputs = operands(node).map((value) => (again.has(ownerOf(value)) ? copy(value) : now(value)));
    rewritten.set(node, keep(node, inputs));
  }
  return outputs.map(now);
}

/** The recipes of elementwise values, down to sources that are not elementwise, or whose own recipe would be too long. */
function recipesOf(nodes: readonly Node[]): Map<Value, Recipe> {
  const recipes = new Map<Value, Recipe>();
  for (const node of nodes) {
    const [value] = node.outputs;
    if (!value || !isElementwise(node)) continue;
    const sources = new Set<Value>();
    let length = 1;
    for (const operand of operands(node)) {
      const owner = ownerOf(operand);
      const recipe = recipes.get(owner);
      length += recipe?.length ?? 0;
      for (const source of recipe?.sources ?? [owner]) if (isStored(source.node)) sources.add(source);
    }
    if (length <= LONGEST) recipes.set(value, { sources, length });
  }
  return recipes;
}

/** The values to compute again: those of more bytes than the sources that must be kept for them. */
function worthwhile(used: ReadonlySet<Value>, recipes: ReadonlyMap<Value, Recipe>): Set<Value> {
  const kept = new Set([...used].filter((value) => !recipes.has(value)));
  const groups = new Map<string, { values: Value[]; missing: Value[] }>();
  const ids = new Map<Value, number>();
  const id = (value: Value): number => {
    const known = ids.get(value) ?? ids.size;
    ids.set(value, known);
    return known;
  };
  for (const value of used) {
    const recipe = recipes.get(value);
    if (!recipe) continue;
    const missing = [...recipe.sources].filter((source) => !kept.has(source));
    const key = missing.map(id).sort().join(' ');
    const group = groups.get(key) ?? { values: [], missing };
    group.values.push(value);
    groups.set(key, group);
  }
  const total = (values: readonly Value[]) => values.reduce((bytes, value) => bytes + bytesOf(value), 0);
  const again = new Set<Value>();
  for (const { values, missing } of groups.values()) {
    if (total(values) > total(missing)) for (const value of values) again.add(value);
  }
  return again;
}
