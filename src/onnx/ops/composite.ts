import { type Composite, Node, type Value } from '../value.ts';

/** Calls a composite: its body is what runs, its own rules are what differentiates it. */
export function call(composite: Composite, inputs: readonly Value[]): readonly Value[] {
  const body = composite.body(inputs);
  return new Node('Call', inputs, { composite, body }, body).outputs;
}
