/** The file that a reader has dropped: what it is, and what can be made of it. Pure. */
import { UserError } from '../../errors.ts';
import { bindInputs, usualSize } from '../../import/inputs.ts';
import { type Inspection, inspectSource } from '../../import/inspect.ts';
import { fileText, operatorsText, parameterLines, verdictText } from '../../import/inspection-text.ts';
import { type OnnxModel, readModel } from '../../import/onnx-model.ts';
import { fieldsOf } from '../../import/split.ts';
import { startingFile } from '../../import/starting-file.ts';
import { vocabularyOf } from '../../import/vocabulary.ts';
import { DATA_TYPES } from '../../onnx/encoding.ts';
import type { NamedFile } from '../../storage/tar.ts';
import { type GuessedInputs, guessInputs } from '../../tasks/guess-inputs.ts';
import { naming } from '../../tasks/import-for.ts';
import { inPageWords } from './labels.ts';
import type { Choices, ModelCard } from './messages.ts';

/** A file that is read, with the weights inside that it kept in others. */
export interface OwnFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly source: OnnxModel;
}

/**
 * The ONNX file among the files, with what the others hold of it. Throws UserError where there is none, there are several,
 * it is damaged, or a file that it needs is not among them.
 */
export function openFile(files: readonly NamedFile[]): OwnFile {
  const found = files.filter(({ path }) => /\.onnx$/i.test(path));
  const [file] = found;
  if (!file || found.length > 1) {
    const got = files.map(({ path }) => path).slice(0, 3);
    throw new UserError(`expected one file whose name ends in .onnx, got ${got.join(', ') || 'none'}`);
  }
  const { path: name } = file;
  const external = (location: string, offset: number, length: number): Uint8Array => {
    const other = files.find(({ path }) => path.endsWith(location.replace(/^\.\//, '')));
    if (!other)
      throw new UserError(`its weights are in ${location}: drop that file together with the .onnx file`);
    if (offset + length <= other.bytes.length) return other.bytes.subarray(offset, offset + length);
    throw new UserError(
      `${location}: expected ${length} bytes from ${offset} on, got ${other.bytes.length} in all; it is cut short`,
    );
  };
  return naming(name, () => {
    const bytes = startingFile(file.bytes, {}, external);
    return { name, bytes, source: readModel(bytes) };
  });
}

/** What the page tells of a file. */
export function cardOf({ name, bytes, source }: OwnFile): ModelCard {
  const { openSizes } = inspectSource(source);
  const sizes = Object.fromEntries(openSizes.map((size) => [size, usualSize(size)]));
  const inspected = inspectSource(source, { dims: sizes });
  const typed = (types: Inspection['inputs']): string[] =>
    Object.entries(types).map(([key, type]) => `${key}: ${type}`);
  const { data, why, isBytes } = dataFor(source, sizes);
  const vocabulary = vocabularyOf(source);
  const isOfTokens = data === 'texts' && isPerToken(source);
  return {
    name,
    rows: [
      ['File', [fileText(inspected, bytes.length)]],
      ['Inputs', typed(inspected.inputs)],
      ['Outputs', typed(inspected.outputs)],
      ['Operators', [operatorsText(inspected)]],
      ['Parameters', parameterLines(source).map((line) => line.replace(/^parameters: /, ''))],
      ['Training', [inPageWords(verdictText(inspected)), ...why]],
    ],
    outputs: source.outputs,
    sizes,
    data,
    suggested: {
      loss: isOfTokens ? 'next-token' : 'cross-entropy',
      normalization: isBytes ? 'none' : 'imagenet',
      tokens: vocabulary !== undefined && vocabulary > BYTE_VOCABULARIES ? 'given' : 'bytes',
    },
  };
}

/** A vocabulary that is much larger than that of bytes is a tokenizer's own. */
const BYTE_VOCABULARIES = 1024;

const KINDS: Readonly<Record<string, ModelCard['data']>> = { 'image-folder': 'pictures', text: 'texts' };

/** The data that the inputs want. `why` says what this page does not read. */
function dataFor(
  source: OnnxModel,
  dims: Choices['dims'],
): { readonly data: ModelCard['data']; readonly why: readonly string[]; readonly isBytes: boolean } {
  try {
    const { dataset } = inputsOf(source, dims);
    const isBytes = source.inputs.every(({ dataType }) => dataType === DATA_TYPES.uint8);
    return { data: KINDS[dataset], why: [], isBytes };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { data: undefined, why: [inPageWords(error.message)], isBytes: false };
  }
}

/** Whether an output has three axes: a row of logits for every token. */
function isPerToken({ outputs, types }: OnnxModel): boolean {
  return outputs.some((name) => types.get(name)?.shape?.length === 3);
}

/** Which field of the data every input gets. Throws UserError for data that this page does not read. */
export function inputsOf(source: OnnxModel, dims: Choices['dims']): GuessedInputs {
  const fields = fieldsOf(bindInputs(source, dims).types);
  const shown = source.inputs.map(({ name }) => `${name} [batch, ${fields[name]?.shape.join(', ') ?? ''}]`);
  const refusal = new UserError(
    `this page reads pictures and texts, which are not what ${shown.join(' and ')} wants; train the file in node: npx ortgrad artifacts`,
  );
  let guessed: GuessedInputs;
  try {
    guessed = guessInputs(fields, {});
  } catch (error) {
    throw error instanceof UserError ? refusal : error;
  }
  if (KINDS[guessed.dataset] === undefined) throw refusal;
  return guessed;
}
