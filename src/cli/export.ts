/** `ortgrad export`: a checkpoint as one ONNX file for inference. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { inferenceModel } from '../train/inference-model.ts';
import { openModel } from '../train/model.ts';
import { type OptionTable, text } from '../train/options.ts';
import { requireCheckpoint } from './evaluate.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';

const TABLE = {
  checkpoint: text({
    group: 'Export',
    help: "A run's folder, last or best in it, or one checkpoint.",
    placeholder: 'FOLDER',
    default: undefined,
  }),
  out: text({ group: 'Export', help: 'File to write.', placeholder: 'FILE', default: 'model.onnx' }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

export async function exportModel(argv: readonly string[]): Promise<void> {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          'Writes a checkpoint as one ONNX file that runs anywhere: weights inside, any batch size, with class names, normalisation and input size in its metadata.',
        usage: 'npm run export -- --checkpoint FOLDER --out FILE',
        examples: ['npm run export -- --checkpoint runs/NAME/best --out model.onnx'],
      }),
    );
    return;
  }
  const { checkpoint, spec } = await openModel(requireCheckpoint(values.checkpoint));
  const { classes, mean, std } = checkpoint.dataset;
  const weights = new Map<string, Float32Array>();
  for (const { name, data } of checkpoint.parameters) {
    if (!(data instanceof Float32Array))
      throw new UserError(`${values.checkpoint}: expected float32 weights in ${name}`);
    weights.set(name, data);
  }
  const bytes = inferenceModel({ spec, weights, classes, mean, std });
  const temporary = `${values.out}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, bytes);
    await rename(temporary, values.out);
  } finally {
    await rm(temporary, { force: true });
  }
  console.log(
    `${values.out}: ${(bytes.length / 1e6).toFixed(1)} MB; images [batch, ${spec.image.channels}, ${spec.image.height}, ${spec.image.width}] → logits [batch, ${spec.classes}]`,
  );
}
