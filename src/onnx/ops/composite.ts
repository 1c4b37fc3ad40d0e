import { type Composite, Node, type Value } from '../value.ts';

/** The results of a composite. Its body runs; its own rules, not those of the body, give its derivatives. */
export function call(composite: Composite, inputs: readonly Value[]): readonly Value[] {
  const body = composite.body(inputs);
  return new Node('Call', inputs, { composite, body }, body).outputs;
}
