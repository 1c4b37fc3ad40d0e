import type { OnnxModel } from './onnx-model.ts';

/** How many tokens a file knows: the rows of the table in which an input looks up. Undefined where there is none. */
export function vocabularyOf({ nodes, initializers, inputs }: OnnxModel): number | undefined {
  const names = new Set(inputs.map(({ name }) => name));
  for (const { op, inputs: of, outputs } of nodes) {
    if (op === 'Cast' && names.has(of[0] ?? '')) names.add(outputs[0] ?? '');
    if (op !== 'Gather' || !names.has(of[1] ?? '') || /type|segment|position/i.test(of[1] ?? '')) continue;
    const rows = initializers.get(of[0] ?? '')?.dims[0];
    if (rows !== undefined) return rows;
  }
  return undefined;
}
