/** `ortgrad export`: a checkpoint as one ONNX file for inference, and as a page for the web. */
import path from 'node:path';
import { inferenceGraph } from '../artifacts/graphs.ts';
import { choice, type OptionTable, text, toggle } from '../config/options.ts';
import { counted } from '../counted.ts';
import { imageInfo } from '../data/images.ts';
import { entryOf } from '../data/names.ts';
import { UserError } from '../errors.ts';
import {
  type ImageModel,
  imageModel,
  inferenceModel,
  PRECISIONS,
  type Precision,
  throughFloat16,
} from '../inference/inference-model.ts';
import { openModel, type TrainedModel } from '../inference/model.node.ts';
import { judgeOf, metricText, metricValue } from '../metrics/info.ts';
import { isOp, type Value } from '../onnx/value.ts';
import type { Measured } from '../run/measure.ts';
import type { Tensor } from '../runtime/session.ts';
import { createFolder } from '../storage/run-folder.node.ts';
import { infosOf } from '../tasks/infos.ts';
import { expectImageSpec, type ImageSpec, isImageSpec, isOnnxSpec } from '../tasks/spec.ts';
import type { Task } from '../tasks/task.ts';
import { writeWhole } from '../whole-file.node.ts';
import { checkpointOf, measureOnTest } from './evaluate.ts';
import { exportImported } from './export-imported.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';
import { print } from './print.ts';
import { typed } from './typed.ts';
import { expectWebFolder, packagedPage, webFolderOf, writeWebFolder } from './web-folder.ts';

const TABLE = {
  checkpoint: text({
    group: 'Export',
    help: "A run's folder, last or best in it, or one checkpoint. The folder may also stand without the flag.",
    placeholder: 'FOLDER',
    default: undefined,
  }),
  out: text({ group: 'Export', help: 'File to write.', placeholder: 'FILE', default: 'model.onnx' }),
  rawPixels: toggle({
    group: 'Export',
    help: 'The model takes unchanged pixels, uint8 [batch, height, width, channels], and normalises them itself.',
    default: false,
  }),
  precision: choice(PRECISIONS, {
    group: 'Export',
    help: 'How weights are stored: fp16 halves the file; its accuracy is printed beside that of fp32.',
    default: 'fp32',
  }),
  web: toggle({
    group: 'Export',
    help: 'Also write a folder beside the file: the model with raw pixels, and a page that classifies images.',
    default: false,
  }),
  data: text({
    group: 'Export',
    help: 'Folder of the dataset: accuracy is measured on its test images, and --web shows some.',
    placeholder: 'FOLDER',
    default: undefined,
    unset: 'where it was in training',
  }),
  model: text({
    group: 'Export',
    help: 'The module of your own that the model was trained from, with --model.',
    placeholder: 'FILE.js',
    default: undefined,
  }),
  merge: toggle({
    group: 'Export',
    help: 'Of a model that ortgrad artifacts imported: the original file with the trained weights in place of its own, and adapters merged into theirs.',
    default: false,
  }),
  adapters: text({
    group: 'Export',
    help: 'Folder to write the adapters of a run with --lora to, as PEFT reads them.',
    placeholder: 'FOLDER',
    default: undefined,
  }),
  ema: toggle({
    group: 'Export',
    help: 'Write the averaged weights of a run with --ema, in place of the raw ones.',
    default: false,
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

/** `page` returns the script of the web page. */
export async function exportModel(argv: readonly string[], page = packagedPage): Promise<void> {
  const { values, given, rest } = parseFlags(argv, TABLE, 1);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          'Writes a checkpoint as one ONNX file that runs anywhere: weights inside, any batch size, with class names, normalisation and input size in its metadata.',
        usage: typed('export', 'FOLDER --out FILE'),
        examples: [
          typed('export', 'runs/NAME/best --out model.onnx'),
          typed('export', 'runs/NAME/best --out model.onnx --precision fp16 --web'),
        ],
      }),
    );
    return;
  }
  const from = checkpointOf(values.checkpoint, rest);
  const folder = values.web ? webFolderOf(values.out) : undefined;
  if (folder !== undefined) await expectWebFolder(folder);
  const trained = await openModel(from, values);
  const { precision, rawPixels } = values;
  const { spec } = trained;
  if (folder !== undefined) expectImageSpec(spec, '--web');
  if (rawPixels) expectImageSpec(spec, '--raw-pixels');
  const weights = weightsOf(trained, from);
  if (isOnnxSpec(spec)) {
    if (precision === 'fp16') {
      throw new UserError(
        '--precision fp16: an imported file keeps the types that its weights have; leave it out',
      );
    }
    const isMerged = values.merge || given.out !== undefined || values.adapters === undefined;
    const out = isMerged ? values.out : undefined;
    await exportImported(trained, spec, weights, { out, adapters: values.adapters });
    await sayScore(trained, precision);
    return;
  }
  if (values.merge || values.adapters !== undefined) {
    throw new UserError(
      `${values.merge ? '--merge' : '--adapters'}: expected a model that ortgrad artifacts imported from an ONNX file, got one of ortgrad's own; leave it out`,
    );
  }
  const bytes = isImageSpec(spec)
    ? imageModel({ ...pictures(trained, spec), weights, precision, rawPixels })
    : inferenceModel({ task: trained.task, weights, precision, metadata: metadataOf(trained) });
  await createFolder(path.dirname(values.out));
  await writeWhole(values.out, bytes);
  print(`${values.out}: ${(bytes.length / 1e6).toFixed(1)} MB; ${contractOf(trained.task, rawPixels)}`);
  const accuracy = await sayScore(trained, precision);
  if (folder === undefined || !isImageSpec(spec)) return;
  const { classes, mean, std } = pictures(trained, spec);
  const samples = await writeWebFolder(folder, {
    info: {
      name: trained.checkpoint.graph.name,
      dataset: spec.dataset,
      image: spec.image,
      classes: [...classes],
      mean: [...mean],
      std: [...std],
      accuracy: accuracy ?? null,
      precision,
    },
    model: imageModel({ ...pictures(trained, spec), weights, precision, rawPixels: true }),
    script: await page(),
    source: trained.source,
  });
  const shown = typeof samples === 'string' ? `no sample images: ${samples}` : `${samples} sample images`;
  print(`${folder}: a page for any static server; ${shown}`);
}

function weightsOf({ checkpoint }: TrainedModel, from: string): Map<string, Float32Array> {
  return new Map(
    checkpoint.parameters.map(({ name, data }) => {
      if (!(data instanceof Float32Array))
        throw new UserError(`${from}: expected float32 weights in ${name}`);
      return [name, data];
    }),
  );
}

function pictures(
  { checkpoint }: TrainedModel,
  spec: ImageSpec,
): Pick<ImageModel, 'spec' | 'classes' | 'mean' | 'std'> {
  const { classes, mean, std } = imageInfo(checkpoint.dataset);
  return { spec, classes, mean, std };
}

/** What a caller must know of the data, as the dataset says it: columns, a vocabulary, class names. */
function metadataOf({ checkpoint }: TrainedModel): Record<string, string> {
  const { about, fields } = checkpoint.dataset;
  const entries = Object.entries({ ...about, fields });
  return Object.fromEntries(entries.map(([key, value]) => [key, JSON.stringify(value)]));
}

/** `x float32 [batch, 13] → output float32 [batch]`. */
function contractOf(task: Task, rawPixels: boolean): string {
  const { inputs, outputs } = inferenceGraph(task);
  const told = (name: string, { dtype, shape }: Value): string => `${name} ${dtype} [${shape.join(', ')}]`;
  const fields = inputs.flatMap((value) => {
    const name = isOp(value.node, 'Input') ? value.node.attributes.name : '';
    if (!Object.hasOwn(task.fields, name)) return [];
    const [batch, channels, height, width] = value.shape;
    return rawPixels
      ? [`${name} uint8 [${[batch, height, width, channels].join(', ')}]`]
      : [told(name, value)];
  });
  const results = Object.entries(outputs).map(([name, value]) => told(name, value));
  return `${fields.join(', ')} → ${results.join(', ')}`;
}

/**
 * Prints the first metric of the file's weights on the test set; for float16 also that before rounding. Returns the
 * metric of the file. If the examples are missing, returns what training measured for this checkpoint, if it did.
 */
async function sayScore(trained: TrainedModel, precision: Precision): Promise<number | undefined> {
  const judge = judgeOf(infosOf(trained.task));
  const told = (measured: Measured) => {
    const value = metricValue(judge, measured);
    return value === null ? 'none' : metricText(judge, value, 2);
  };
  const cpu = { device: 'cpu', threads: 0 } as const;
  try {
    const before = await measureOnTest(trained, cpu);
    const after =
      precision === 'fp16'
        ? await measureOnTest({ ...trained, weights: roundedWeights(trained) }, cpu)
        : undefined;
    const measured = after
      ? `${told(before)} in fp32, ${told(after)} in fp16 (loss ${before.loss.toFixed(4)} and ${after.loss.toFixed(4)})`
      : `${told(before)} (loss ${before.loss.toFixed(4)})`;
    const noun = entryOf(trained.source.dataset)?.noun ?? 'example';
    print(`${judge.label} on ${counted(before.examples, `test ${noun}`)}: ${measured}`);
    return metricValue(judge, after ?? before) ?? undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    print(`${judge.label} not measured: ${error.message}`);
    const { best, step } = trained.checkpoint;
    const isOfTest = best?.step === step && best.split === 'test';
    return precision === 'fp32' && isOfTest && best.metric === judge.name ? best.value : undefined;
  }
}

function roundedWeights({ weights }: TrainedModel): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(
    Object.entries(weights).map(([path, tensor]): [string, Tensor] => {
      const { shape, data } = tensor;
      return [
        path,
        { ...tensor, data: data instanceof Float32Array ? throughFloat16(path, shape, data) : data },
      ];
    }),
  );
}
