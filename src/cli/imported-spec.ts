/** The spec of an imported file, from the flags of `ortgrad artifacts`. */

import { choice, integer, number, type OptionTable, type OptionValues, text } from '../config/options.ts';
import { show, UserError } from '../errors.ts';
import { expectPatternText } from '../expect.ts';
import type { ImportedModel } from '../import/import-model.ts';
import type { ImportOptions } from '../import/plan.ts';
import { exactly } from '../import/variables.ts';
import { vocabularyOf } from '../import/vocabulary.ts';
import { LOSS_NAMES } from '../losses/names.ts';
import { guessInputs } from '../tasks/guess-inputs.ts';
import type { HowRead } from '../tasks/import-for.ts';
import { dataInputs } from '../tasks/imported-inputs.ts';
import { CHANNEL_ORDERS, IMAGE_LAYOUTS, TOKEN_KINDS } from '../tasks/input-forms.ts';
import type { OnnxSpec } from '../tasks/spec.ts';
import { COMMON_FLAGS } from './flags.ts';
import type { ReadAdapters } from './read-adapters.ts';

const WHAT = 'What trains';
const DATA = 'Data';

export const TABLE = {
  out: text({
    group: 'Artifacts',
    help: 'Folder to write: spec.json, the file and its training graphs.',
    placeholder: 'FOLDER',
    default: undefined,
    unset: "graphs/ and the file's name",
  }),
  loss: choice(LOSS_NAMES, {
    group: 'Artifacts',
    help: 'What compares the output with the data. bce: the output is the logit of the second of two classes.',
    default: 'cross-entropy',
  }),
  output: text({
    group: 'Artifacts',
    help: 'The output that the loss is of.',
    placeholder: 'NAME',
    default: undefined,
    unset: 'the only one',
  }),
  gr: choice(['none', 'exact'], {
    group: 'Artifacts',
    help: 'The training graphs to write at once: without or with exact gradient regularization. Others are written when a run needs them.',
    default: 'none',
  }),
  microBatch: integer(
    { min: 1, max: 65536 },
    { group: 'Artifacts', help: 'Examples that one run of a training graph holds, at most.', default: 32 },
  ),
  ...inputFlags('Artifacts'),
  trainable: text({
    group: WHAT,
    help: 'Regular expression: the parameters whose names it finds train, all others are frozen.',
    placeholder: 'PATTERN',
    default: undefined,
    unset: 'all; with --lora none but the adapters',
  }),
  lora: text({
    group: WHAT,
    help: 'Regular expression: products with a weight (MatMul, Gemm, Conv) whose module, node or weight it finds get a low-rank adapter.',
    placeholder: 'PATTERN',
    default: undefined,
  }),
  rank: integer({ min: 1, max: 4096 }, { group: WHAT, help: 'Of the adapters.', default: 8 }),
  loraAlpha: number(
    { above: 0 },
    {
      group: WHAT,
      help: "The adapters' product is multiplied by this over the rank.",
      default: undefined,
      unset: 'twice the rank',
    },
  ),
  adapters: text({
    group: WHAT,
    help: 'Folder with adapter_config.json and adapter_model.safetensors, as PEFT writes them: the adapters start from these, instead of --lora.',
    placeholder: 'FOLDER',
    default: undefined,
  }),
  classes: integer(
    { min: 2, max: 100_000 },
    {
      group: WHAT,
      help: 'Gives the file a new last layer with so many outputs, from random numbers.',
      default: undefined,
      unset: 'as the file has them',
    },
  ),
  dataset: text({
    group: DATA,
    help: "Where examples come from: a dataset's name, or a module of your own whose fields have the names of the inputs.",
    placeholder: 'NAME',
    default: undefined,
    unset: 'image-folder, text or table, as the inputs are',
  }),
  inputs: text({
    group: DATA,
    help: 'Which field each input gets: input_ids=tokens,attention_mask=mask; of tokens also zeros, ones and positions.',
    placeholder: 'INPUT=FIELD,…',
    default: undefined,
    unset: "by the inputs' names",
  }),
  tokens: choice(TOKEN_KINDS, {
    group: DATA,
    help: 'What a token is; given: the numbers of a tokenizer of your own, in the data.',
    default: undefined,
    unset: 'given for text, bytes for languages',
  }),
  vocabulary: integer(
    { min: 3, max: 2 ** 24 },
    {
      group: DATA,
      help: 'How many tokens the file knows.',
      default: undefined,
      unset: 'as its embedding says',
    },
  ),
  mean: text({
    group: DATA,
    help: 'Of each channel, for pixels from 0 to 1: what the file expects to be subtracted.',
    placeholder: 'X,…',
    default: undefined,
    unset: "the dataset's",
  }),
  std: text({
    group: DATA,
    help: 'What it expects to be divided by afterwards. A file that takes pixels from 0 to 255 has mean 0,0,0 and std 0.00392157.',
    placeholder: 'X,…',
    default: undefined,
    unset: "the dataset's",
  }),
  order: choice(CHANNEL_ORDERS, { group: DATA, help: 'Of the channels in the file.', default: 'rgb' }),
  layout: choice(IMAGE_LAYOUTS, {
    group: DATA,
    help: 'Of images in the file.',
    default: undefined,
    unset: 'as the shape of the input says',
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

export type Values = OptionValues<typeof TABLE>;

/** Throws UserError for a pattern that is none, and a dimension without a size. `adapters`: those that it begins with. */
export function howRead(
  { loss, trainable, lora, rank, loraAlpha, output, dim, fix }: Values,
  adapters: ReadAdapters | undefined,
): HowRead {
  if (adapters && lora !== undefined)
    throw new UserError('--lora: expected --adapters or --lora, got both: the adapters say what they are of');
  const whole = adapters?.others.length ? exactly(adapters.others) : undefined;
  if (trainable !== undefined) expectPatternText('--trainable', trainable);
  if (lora !== undefined) expectPatternText('--lora', lora);
  const trained = trainable ?? whole;
  return {
    loss,
    ...(trained !== undefined && { trainable: trained }),
    ...(lora !== undefined && {
      lora: { target: lora, rank, alpha: loraAlpha ?? 2 * rank },
    }),
    ...(adapters && {
      lora: {
        target: exactly(adapters.modules),
        ...{ rank: adapters.rank, alpha: adapters.alpha },
      },
    }),
    ...(output !== undefined && { output }),
    ...aboutInputs({ dim, fix }),
  };
}

/** The whole spec. Throws UserError where the data that the inputs want cannot be told. */
export function specOf(
  values: Values,
  how: HowRead,
  model: ImportedModel,
  sha256: string,
): Partial<OnnxSpec> {
  const inputs = dataInputs(model);
  const guessed = guessInputs(inputs, {
    dataset: values.dataset,
    inputs: pairs('--inputs', values.inputs ?? ''),
  });
  for (const flag of ['mean', 'std'] as const) {
    if (values[flag] === undefined) continue;
    if (values[flag === 'mean' ? 'std' : 'mean'] === undefined)
      throw new UserError(`--${flag}: expected --mean and --std together, got one`);
  }
  const reads = new Set(Object.keys(inputs).map((name) => guessed.inputs[name] ?? name));
  if (values.mean !== undefined && !reads.has('images'))
    throw new UserError('--mean: the file takes no pictures; leave it out');
  return {
    ...{ task: 'onnx', dataset: guessed.dataset, file: 'model.onnx', sha256, ...how },
    ...(Object.keys(guessed.inputs).length > 0 && { inputs: guessed.inputs }),
    ...(reads.has('images') && imageOf(values, guessed.layout)),
    ...(reads.has('tokens') && tokensOf(values, guessed.dataset, model)),
    microBatch: values.microBatch,
  };
}

function imageOf(
  { mean, std, order, layout }: Values,
  guessed: Values['layout'],
): { readonly image?: NonNullable<OnnxSpec['image']> } {
  const image = {
    ...(mean !== undefined &&
      std !== undefined && { mean: listOf('--mean', mean), std: listOf('--std', std) }),
    order,
    layout: layout ?? guessed ?? 'channels-first',
  };
  const isUsual = image.mean === undefined && order === 'rgb' && image.layout === 'channels-first';
  return isUsual ? {} : { image };
}

function tokensOf(
  { tokens, vocabulary }: Values,
  dataset: string,
  model: ImportedModel,
): Pick<OnnxSpec, 'tokens' | 'vocabulary'> {
  const kind = tokens ?? (dataset === 'text' ? 'given' : 'bytes');
  const known = vocabulary ?? vocabularyOf(model.source);
  if (known === undefined && kind !== 'bytes')
    throw new UserError(
      '--vocabulary: expected how many tokens the file knows, which it does not say itself',
    );
  return { tokens: kind, ...(known !== undefined && { vocabulary: known }) };
}

function pairs(flag: string, list: string): Record<string, string> {
  const found = list === '' ? [] : list.split(',');
  return Object.fromEntries(
    found.map((pair) => {
      const at = pair.lastIndexOf('=');
      if (at > 0 && at < pair.length - 1) return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
      throw new UserError(`${flag}: expected NAME=VALUE pairs with commas between, got ${show(pair)}`);
    }),
  );
}

/** The flags that say what a file leaves open of its inputs. */
export function inputFlags(group: string) {
  return {
    dim: text({
      group,
      help: 'Sizes of named dimensions other than the batch: sequence=128, several with commas.',
      placeholder: 'NAME=N,…',
      default: undefined,
    }),
    fix: text({
      group,
      help: 'Inputs that are always one number, and so no data: sr=16000,state=0.',
      placeholder: 'NAME=X,…',
      default: undefined,
    }),
  } as const;
}

/** What those flags say. Throws UserError for a size or a number that is none. */
export function aboutInputs({
  dim,
  fix,
}: {
  readonly dim?: string | undefined;
  readonly fix?: string | undefined;
}): Pick<ImportOptions, 'dims' | 'fix'> {
  const isSize = (x: number): boolean => Number.isSafeInteger(x) && x > 0;
  return {
    ...(dim !== undefined && { dims: numbersOf('--dim', dim, 'a size of 1 or more', isSize) }),
    ...(fix !== undefined && { fix: numbersOf('--fix', fix, 'a number', Number.isFinite) }),
  };
}

function numbersOf(
  flag: string,
  list: string,
  expected: string,
  isRight: (x: number) => boolean,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(pairs(flag, list)).map(([name, value]) => {
      const x = Number(value);
      if (isRight(x)) return [name, x];
      throw new UserError(`${flag} ${name}: expected ${expected}, got ${show(value)}`);
    }),
  );
}

function listOf(flag: string, list: string): number[] {
  return list.split(',').map((text) => {
    const x = Number(text);
    if (text.trim() !== '' && Number.isFinite(x)) return x;
    throw new UserError(`${flag}: expected a number for each channel with commas between, got ${show(list)}`);
  });
}
