/** Small recurrent networks and an FT-Transformer with weights by formula, and PyTorch's numbers for them (scripts/peers/torch_sequence.py). */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { tableModelSchema, textModelSchema } from '../../src/models/index.ts';

const byPath = v.record(v.string(), v.array(v.number()));
const Golden = v.object({
  model: v.union([textModelSchema, tableModelSchema]),
  ...{ batch: v.number(), length: v.number(), classes: v.number(), lambda: v.number() },
  ...{ x: v.array(v.number()), loss: v.number(), grad_norm: v.number(), logits: v.array(v.number()) },
  ...{ gradient: byPath, exact: byPath },
});
export type Golden = v.InferOutput<typeof Golden>;

export const GOLDENS = v.parse(
  v.record(v.string(), Golden),
  JSON.parse(readFileSync(new URL('../goldens/sequence.json', import.meta.url), 'utf8')),
);

/** The golden's weights, by path. */
export function weightsOf({ gradient }: Golden): Record<string, Float32Array> {
  const named = Object.entries(gradient).map(([path, values], k): [string, Float32Array] => {
    const isNorm = path.endsWith('scale') && !path.startsWith('tokenizer');
    const wave = (i: number) => Math.sin(1.7 * i + 0.9 * k + 0.3);
    return [path, Float32Array.from(values, (_, i) => (isNorm ? 1 + 0.1 * wave(i) : 0.5 * wave(i)))];
  });
  return Object.fromEntries(named);
}
