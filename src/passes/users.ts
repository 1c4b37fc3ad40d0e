/** The users of each value. A pass asks for them before it moves or replaces the value. */
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

  /** The nodes that use the value. A node that uses it as two operands is there twice. */
  of(value: Value): readonly Node[] {
    return this.#nodes.get(value) ?? [];
  }

  /** Whether the value is an output of the graph. */
  isOutput(value: Value): boolean {
    return this.#outputs.has(value);
  }

  /** Whether the value is used exactly once: as one operand of one node, and not as an output. */
  isSingle(value: Value): boolean {
    return this.of(value).length === 1 && !this.isOutput(value);
  }
}
