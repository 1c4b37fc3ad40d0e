/**
 * A run of `fit` as bytes: one safetensors file. Its metadata `ortgrad` is a JSON document (`Document`), its tensors are
 * `now/<path>`, `slot/<slot>/<path>` and, where the best epoch is kept, `best/<path>` and `averaged/<path>`. Random numbers
 * are counter-based, so the seed and the step are the whole state of the generator. Also for browsers.
 */
import * as v from 'valibot';
import { joined } from '../bytes.ts';
import { mismatch, UserError } from '../errors.ts';
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from '../storage/safetensors.ts';

const METADATA = 'ortgrad';
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** JSON has no NaN and no infinity: they are null there. */
const number = v.pipe(
  v.nullable(v.number()),
  v.transform((x) => x ?? Number.NaN),
);
const evaluated = v.object({ loss: number, metrics: v.record(v.string(), number) });

const Document = v.object({
  format: v.literal('fit'),
  version: v.literal(1),
  step: count,
  best: v.nullable(
    v.object({
      metric: v.exactOptional(v.string()),
      better: v.exactOptional(v.picklist(['higher', 'lower'])),
      value: v.exactOptional(v.number()),
      loss: v.exactOptional(v.number()),
      step: count,
      split: v.picklist(['validation', 'test']),
    }),
  ),
  history: v.array(
    v.object({
      epoch: count,
      step: count,
      ...evaluated.entries,
      learningRate: number,
      validation: v.exactOptional(evaluated),
      averaged: v.exactOptional(evaluated),
    }),
  ),
  /** Of the epoch at hand, where it is not whole: the sums of what its steps told. */
  partial: v.object({ steps: count, loss: number, sums: v.record(v.string(), v.array(number)) }),
  /** Norms of the last steps, for what counts as a spike. */
  norms: v.array(v.object({ grad_norm: v.nullable(v.number()), gr_grad_norm: v.nullable(v.number()) })),
  /** What the steps follow from, by the options' names: with other values the run would be another. */
  begun: v.record(v.string(), v.union([v.string(), v.number(), v.boolean()])),
  slots: v.array(v.string()),
});

export type SavedDocument = Readonly<v.InferOutput<typeof Document>>;

export interface SavedRun {
  readonly document: SavedDocument;
  /** Trained variables and those of state. */
  readonly now: readonly NamedTensor[];
  readonly frozen: readonly NamedTensor[];
  readonly slots: Readonly<Record<string, readonly NamedTensor[]>>;
  readonly best: readonly NamedTensor[];
  readonly averaged: readonly NamedTensor[];
}

export function encodeSaved({ document, now, frozen, slots, best, averaged }: SavedRun): Uint8Array {
  const under = (prefix: string, tensors: readonly NamedTensor[]): NamedTensor[] =>
    tensors.map((tensor) => ({ ...tensor, name: `${prefix}/${tensor.name}` }));
  return joined(
    encodeSafetensors(
      [
        ...under('now', now),
        ...under('frozen', frozen),
        ...Object.entries(slots).flatMap(([slot, tensors]) => under(`slot/${slot}`, tensors)),
        ...under('best', best),
        ...under('averaged', averaged),
      ],
      { [METADATA]: JSON.stringify(document) },
    ),
  );
}

/** Throws UserError where the bytes are no such run. */
export function decodeSaved(bytes: Uint8Array): SavedRun {
  if (!(bytes instanceof Uint8Array)) {
    throw new UserError('resume: expected the bytes that save() gives');
  }
  const { tensors, metadata } = decodeSafetensors(bytes, 'resume');
  const result = v.safeParse(Document, jsonOf(metadata[METADATA]), { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    throw new UserError(
      `resume: ${v.getDotPath(issue) ?? 'document'}: ${mismatch(issue)}; these bytes are no run that this version saved`,
    );
  }
  const under = (prefix: string): NamedTensor[] =>
    tensors.flatMap((tensor) =>
      tensor.name.startsWith(`${prefix}/`) ? [{ ...tensor, name: tensor.name.slice(prefix.length + 1) }] : [],
    );
  return {
    document: result.output,
    now: under('now'),
    frozen: under('frozen'),
    slots: Object.fromEntries(result.output.slots.map((slot) => [slot, under(`slot/${slot}`)])),
    best: under('best'),
    averaged: under('averaged'),
  };
}

function jsonOf(text: string | undefined): unknown {
  if (text === undefined)
    throw new UserError(
      'resume: expected the bytes that save() gives, got other tensors; give weights as initialWeights',
    );
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError('resume: its document is no JSON: the bytes are damaged; take another copy');
  }
}
