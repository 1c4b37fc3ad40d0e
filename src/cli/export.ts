/** `ortgrad export`: a checkpoint as one ONNX file for inference, and as a page for the web. */
import path from 'node:path';
import { choice, type OptionTable, text, toggle } from '../config/options.ts';
import { UserError } from '../errors.ts';
import { inferenceModel, PRECISIONS, type Precision, throughFloat16 } from '../inference/inference-model.ts';
import { openInference, openModel, type TrainedModel } from '../inference/model.node.ts';
import { evaluate, type Scores } from '../run/evaluate.ts';
import { openTestLoader } from '../run/run.node.ts';
import type { Tensor } from '../runtime/session.ts';
import { createFolder } from '../storage/run-folder.node.ts';
import { writeWhole } from '../whole-file.node.ts';
import { checkpointOf } from './evaluate.ts';
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
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

/** `page` returns the script of the web page. */
export async function exportModel(argv: readonly string[], page = packagedPage): Promise<void> {
  const { values, rest } = parseFlags(argv, TABLE, 1);
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
  const trained = await openModel(from, values.data);
  const { checkpoint, spec, source } = trained;
  const { classes, mean, std } = checkpoint.dataset;
  const weights = new Map<string, Float32Array>();
  for (const { name, data } of checkpoint.parameters) {
    if (!(data instanceof Float32Array)) throw new UserError(`${from}: expected float32 weights in ${name}`);
    weights.set(name, data);
  }
  const { precision, rawPixels } = values;
  const model = { spec, weights, classes, mean, std, precision };
  const bytes = inferenceModel({ ...model, rawPixels });
  await createFolder(path.dirname(values.out));
  await writeWhole(values.out, bytes);
  const { channels, height, width } = spec.image;
  const images = rawPixels
    ? `uint8 images [batch, ${height}, ${width}, ${channels}]`
    : `images [batch, ${channels}, ${height}, ${width}]`;
  print(`${values.out}: ${(bytes.length / 1e6).toFixed(1)} MB; ${images} → logits [batch, ${spec.classes}]`);
  const accuracy = await sayAccuracy(trained, precision);
  if (folder === undefined) return;
  const samples = await writeWebFolder(folder, {
    info: {
      name: checkpoint.graph.name,
      dataset: spec.dataset,
      image: spec.image,
      classes: [...classes],
      mean: [...mean],
      std: [...std],
      accuracy: accuracy ?? null,
      precision,
    },
    model: inferenceModel({ ...model, rawPixels: true }),
    script: await page(),
    source,
  });
  const shown = typeof samples === 'string' ? `no sample images: ${samples}` : `${samples} sample images`;
  print(`${folder}: a page for any static server; ${shown}`);
}

/**
 * Prints the accuracy of the file's weights on the test images; for float16 also the accuracy before rounding. Returns
 * the accuracy of the file. If the images are missing, returns what training measured for this checkpoint, if it did.
 */
async function sayAccuracy(trained: TrainedModel, precision: Precision): Promise<number | undefined> {
  const percent = ({ top1 }: Scores) => `${(100 * top1).toFixed(2)}%`;
  try {
    const before = await scores(trained, trained.weights);
    const after = precision === 'fp16' ? await scores(trained, roundedWeights(trained)) : undefined;
    const measured = after
      ? `${percent(before)} in fp32, ${percent(after)} in fp16 (loss ${before.loss.toFixed(4)} and ${after.loss.toFixed(4)})`
      : `${percent(before)} (loss ${before.loss.toFixed(4)})`;
    print(`accuracy on ${before.images.toLocaleString('en')} test images: ${measured}`);
    return (after ?? before).top1;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    print(`accuracy not measured: ${error.message}`);
    const { best, step } = trained.checkpoint;
    const isOfTest = best?.step === step && best.split === 'test';
    return precision === 'fp32' && isOfTest && best.metric === 'top1' ? best.value : undefined;
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

async function scores(
  { spec, source }: TrainedModel,
  weights: Readonly<Record<string, Tensor>>,
): Promise<Scores & { readonly images: number }> {
  const loader = await openTestLoader(source);
  const session = await openInference(spec, { device: 'cpu', threads: 0 });
  try {
    return await evaluate(session, spec, weights, loader.batches({ epoch: 0 }));
  } finally {
    await Promise.all([loader.close(), session.release()]);
  }
}
