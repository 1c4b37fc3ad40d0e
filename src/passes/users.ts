/** Who uses a value: what a pass asks before it moves or replaces something. */
import { topologicalOrder } from '../onnx/graph.ts';
import { type Node, operands, type Value } from '../onnx/value.ts';

export class Users {
  readonly #nodes = new Map<Value, Node[]>();
  readonly #outputs: ReadonlySet<Value>;
  /** The nodes of the graph, each after those it uses. */
  readonly order: readonly Node[];

  constructor(outputs: readonly Value[]) {
    this.order = topologicalOrder(outputs);
    this.#outputs = new Set(outputs);
    for (const node of this.order) {
      for (const value of operands(node)) {
        const known = this.#nodes.get(value);
        if (known) known.push(node);
        else this.#nodes.set(value, [node]);
      }
    }
  }

  /** The nodes that use the value, one that uses it twice twice. */
  of(value: Value): readonly Node[] {
    return this.#nodes.get(value) ?? [];
  }

  /** Whether the graph gives the value to its caller. */
  isOutput(value: Value): boolean {
    return this.#outputs.has(value);
  }

  /** Whether one operand of one node is all that the value is for. */
  isSingle(value: Value): boolean {
    return this.of(value).length === 1 && !this.isOutput(value);
  }
}
