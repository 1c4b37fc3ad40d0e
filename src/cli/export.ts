/** `ortgrad export`: a checkpoint as one ONNX file for inference, and as a page for the web. */
import { UserError } from '../errors.ts';
import type { Tensor } from '../runtime/session.ts';
import { evaluate, type Scores } from '../train/evaluate.ts';
import { inferenceModel, PRECISIONS, throughFloat16 } from '../train/inference-model.ts';
import { openInference, openModel, type TrainedModel } from '../train/model.ts';
import { choice, type OptionTable, text, toggle } from '../train/options.ts';
import { openTestLoader } from '../train/run.ts';
import { writeWhole } from '../whole-file.ts';
import { requireCheckpoint } from './evaluate.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';
import { print } from './print.ts';
import { expectWebFolder, packagedPage, webFolderOf, writeWebFolder } from './web-folder.ts';

const TABLE = {
  checkpoint: text({
    group: 'Export',
    help: "A run's folder, last or best in it, or one checkpoint.",
    placeholder: 'FOLDER',
    default: undefined,
  }),
  out: text({ group: 'Export', help: 'File to write.', placeholder: 'FILE', default: 'model.onnx' }),
  rawPixels: toggle({
    group: 'Export',
    help: 'The model takes pixels as they come, uint8 [batch, height, width, channels], and normalises them itself.',
    default: false,
  }),
  precision: choice(PRECISIONS, {
    group: 'Export',
    help: 'How weights are stored: fp16 halves the file, and its accuracy on the test images is measured beside that of fp32.',
    default: 'fp32',
  }),
  web: toggle({
    group: 'Export',
    help: 'Write a folder beside the file, too: the model with raw pixels, and a page that classifies images.',
    default: false,
  }),
  data: text({
    group: 'Export',
    help: 'Folder of the dataset, for the test images that --precision fp16 and --web take.',
    placeholder: 'FOLDER',
    default: undefined,
    unset: 'where it was in training',
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

/** `page` gives the script of the web page. */
export async function exportModel(argv: readonly string[], page = packagedPage): Promise<void> {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          'Writes a checkpoint as one ONNX file that runs anywhere: weights inside, any batch size, with class names, normalisation and input size in its metadata.',
        usage: 'npm run export -- --checkpoint FOLDER --out FILE',
        examples: [
          'npm run export -- --checkpoint runs/NAME/best --out model.onnx',
          'npm run export -- --checkpoint runs/NAME/best --out model.onnx --precision fp16 --web',
        ],
      }),
    );
    return;
  }
  const folder = values.web ? webFolderOf(values.out) : undefined;
  if (folder !== undefined) await expectWebFolder(folder);
  const trained = await openModel(requireCheckpoint(values.checkpoint), values.data);
  const { checkpoint, spec, source } = trained;
  const { classes, mean, std } = checkpoint.dataset;
  const weights = new Map<string, Float32Array>();
  for (const { name, data } of checkpoint.parameters) {
    if (!(data instanceof Float32Array))
      throw new UserError(`${values.checkpoint}: expected float32 weights in ${name}`);
    weights.set(name, data);
  }
  const { precision, rawPixels } = values;
  const model = { spec, weights, classes, mean, std, precision };
  const bytes = inferenceModel({ ...model, rawPixels });
  await writeWhole(values.out, bytes);
  const { channels, height, width } = spec.image;
  const images = rawPixels
    ? `uint8 images [batch, ${height}, ${width}, ${channels}]`
    : `images [batch, ${channels}, ${height}, ${width}]`;
  print(`${values.out}: ${(bytes.length / 1e6).toFixed(1)} MB; ${images} → logits [batch, ${spec.classes}]`);
  const accuracy = precision === 'fp16' ? await sayCost(trained) : bestAccuracy(trained);
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

/** As training measured it, if this is the checkpoint that it measured. */
function bestAccuracy({ checkpoint: { best, step } }: TrainedModel): number | undefined {
  return best?.step === step ? best.top1 : undefined;
}

/** Prints the accuracy on the test images before and after rounding to float16; returns the latter, if they are there. */
async function sayCost(trained: TrainedModel): Promise<number | undefined> {
  const rounded = Object.entries(trained.weights).map(([path, tensor]): [string, Tensor] => {
    const { shape, data } = tensor;
    return [
      path,
      { ...tensor, data: data instanceof Float32Array ? throughFloat16(path, shape, data) : data },
    ];
  });
  try {
    const before = await scores(trained, trained.weights);
    const after = await scores(trained, Object.fromEntries(rounded));
    const percent = ({ top1 }: Scores) => `${(100 * top1).toFixed(2)}%`;
    print(
      `accuracy on ${before.images.toLocaleString('en')} test images: ${percent(before)} in fp32, ${percent(after)} in fp16 ` +
        `(loss ${before.loss.toFixed(4)} and ${after.loss.toFixed(4)})`,
    );
    return after.top1;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    print(`accuracy not measured: ${error.message}`);
    return undefined;
  }
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
