/** A file imported as a spec says: for a loss, which wants logits. Pure: also for browsers. */
import { UserError } from '../errors.ts';
import type { ExternalData } from '../import/decode-tensor.ts';
import { type ImportedModel, importModel } from '../import/import-model.ts';
import { type OnnxModel, readModel } from '../import/onnx-model.ts';
import type { ImportedLoss, OnnxSpec } from './spec.ts';

/** What a spec says of how its file is read. */
export type HowRead = Pick<OnnxSpec, 'loss' | 'trainable' | 'dims' | 'lora' | 'output'>;

/**
 * What trains is what the spec's pattern finds, all without one or, with adapters, these alone. Where the output is a
 * Softmax or a Sigmoid and the loss wants logits, it is what goes into that. Throws UserError where the file cannot be
 * read so, and where it has several outputs and none is named.
 */
export function importFor(
  bytes: Uint8Array,
  { loss, trainable, dims, lora, output }: HowRead,
  external?: ExternalData,
): ImportedModel {
  const { name, note } = lossOutput(readModel(bytes, external), loss, output);
  const model = importModel(bytes, {
    ...(trainable !== undefined && { trainable: new RegExp(trainable) }),
    ...(dims && { dims }),
    ...(lora && { lora: { ...lora, target: new RegExp(lora.target) } }),
    ...(external && { external }),
    outputs: [name],
  });
  return note === undefined ? model : { ...model, notes: [...model.notes, note] };
}

/** What turns logits into what a loss does not want. */
const AFTER_LOGITS: Readonly<Partial<Record<ImportedLoss, string>>> = {
  'cross-entropy': 'Softmax',
  'next-token': 'Softmax',
  bce: 'Sigmoid',
};

function lossOutput(
  { outputs, nodes }: OnnxModel,
  loss: ImportedLoss,
  asked: string | undefined,
): { readonly name: string; readonly note?: string } {
  const [only, ...others] = outputs;
  const output = asked ?? (others.length === 0 ? only : undefined);
  if (output === undefined || !outputs.includes(output)) {
    const names = outputs.join(', ');
    throw new UserError(
      asked === undefined
        ? `the file has the outputs ${names}: name the one that the loss is of with --output`
        : `--output ${asked}: the file has no such output; it has ${names}`,
    );
  }
  let name = output;
  for (;;) {
    const node = nodes.find(({ outputs: given }) => given.includes(name));
    const from = node?.inputs[0];
    if (node?.domain !== '' || from === undefined) return { name: output };
    if (node.op === AFTER_LOGITS[loss])
      return { name: from, note: `${output} comes of ${node.op}: the loss takes its logits, ${from}` };
    if (node.op !== 'Identity') return { name: output };
    name = from;
  }
}
