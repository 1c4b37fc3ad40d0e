/** A file imported as a spec says: for a loss, which wants logits. Pure: also for browsers. */
import { messageOf, UserError } from '../errors.ts';
import type { ExternalData } from '../import/decode-tensor.ts';
import { type ImportedModel, modelOf } from '../import/import-model.ts';
import { type OnnxModel, readModel } from '../import/onnx-model.ts';
import { type ImportOptions, planOf } from '../import/plan.ts';
import type { LossName } from '../losses/names.ts';
import type { OnnxSpec } from './spec.ts';

/** What a spec says of how its file is read. */
export type HowRead = Pick<OnnxSpec, 'loss' | 'trainable' | 'dims' | 'fix' | 'lora' | 'output' | 'features'>;

/**
 * What trains is what the spec's pattern finds, all without one or, with adapters, these alone. Where the output is a
 * Softmax or a Sigmoid and the loss wants logits, it is what goes into that. Throws UserError where the file cannot be
 * read so, and where it has several outputs and none is named.
 */
export function importFor(bytes: Uint8Array, how: HowRead, external?: ExternalData): ImportedModel {
  const source = readModel(bytes, external);
  const { options, note } = optionsFor(source, how, external);
  const model = modelOf(planOf(source, options));
  expectTrained(model, how.trainable);
  return note === undefined ? model : { ...model, notes: [...model.notes, note] };
}

/** The importer's options for a spec, and what a user should know of them. Throws UserError as `importFor` does. */
export function optionsFor(
  source: OnnxModel,
  { loss, trainable, dims, fix, lora, output, features }: HowRead,
  external?: ExternalData,
): { readonly options: ImportOptions; readonly note?: string } {
  const { name, note } = lossOutput(source, loss, output);
  const options: ImportOptions = {
    ...(trainable !== undefined && { trainable: new RegExp(trainable) }),
    ...(dims && { dims }),
    ...(fix && { fix }),
    ...(lora && { lora: { ...lora, target: new RegExp(lora.target) } }),
    ...(features && { features }),
    ...(external && { external }),
    outputs: [name],
  };
  return { options, ...(note !== undefined && { note }) };
}

function expectTrained({ variables, source }: ImportedModel, trainable: string | undefined): void {
  if (variables.some(({ role }) => role === 'trainable')) return;
  const names = [...source.initializers].flatMap(([name, { dims }]) => (dims.length > 0 ? [name] : []));
  const shown =
    names.length > 6 ? `${names.slice(0, 3).join(', ')}, … ${names.slice(-3).join(', ')}` : names.join(', ');
  throw new UserError(
    `--trainable ${trainable ?? '.*'}: finds none of the parameters that the loss depends on; the file's tensors are ${shown}`,
  );
}

/** What turns logits into what a loss does not want. */
const AFTER_LOGITS: Readonly<Partial<Record<LossName, string>>> = {
  'cross-entropy': 'Softmax',
  'next-token': 'Softmax',
  bce: 'Sigmoid',
};

function lossOutput(
  { outputs, nodes }: OnnxModel,
  loss: LossName,
  asked: string | undefined,
): { readonly name: string; readonly note?: string } {
  const [only, ...others] = outputs;
  const output = asked ?? (others.length === 0 ? only : undefined);
  const isKnown = (value: string): boolean =>
    outputs.includes(value) || nodes.some((node) => node.outputs.includes(value));
  if (output === undefined || !isKnown(output)) {
    const names = outputs.join(', ');
    throw new UserError(
      asked === undefined
        ? `the file has the outputs ${names}: name the one that the loss is of with --output`
        : `--output ${asked}: the file has no such output; it has ${names}`,
    );
  }
  const name = beforeSoftmax(nodes, loss, output);
  if (name === output) return { name };
  return { name, note: `${output} comes of ${AFTER_LOGITS[loss]}: the loss takes its logits, ${name}` };
}

/** The output itself or, where it is a Softmax or a Sigmoid and the loss wants logits, what goes into that. */
export function beforeSoftmax(nodes: OnnxModel['nodes'], loss: LossName, output: string): string {
  let name = output;
  for (;;) {
    const node = nodes.find(({ outputs: given }) => given.includes(name));
    const from = node?.inputs[0];
    if (node?.domain !== '' || from === undefined) return output;
    if (node.op === AFTER_LOGITS[loss]) return from;
    if (node.op !== 'Identity') return output;
    name = from;
  }
}

/** What `give` returns; a UserError of its then begins with the file. */
export function naming<T>(file: string, give: () => T): T {
  try {
    return give();
  } catch (error) {
    throw named(file, error);
  }
}

/** The error; a UserError then begins with the file. */
export function named(file: string, error: unknown): unknown {
  const message = messageOf(error);
  if (!(error instanceof UserError) || message.startsWith(file)) return error;
  return new UserError(`${file}: ${message.replace(/^import: /, '')}`, { cause: error });
}
