/** `ortgrad evaluate`: a checkpoint's loss and accuracy on the test images. */
import { UserError } from '../errors.ts';
import { DEVICES } from '../runtime/session.ts';
import { evaluate as evaluateModel } from '../train/evaluate.ts';
import { openInference, openModel } from '../train/model.ts';
import { choice, integer, type OptionTable, text } from '../train/options.ts';
import { openTestLoader } from '../train/run.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';
import { print } from './print.ts';

const TABLE = {
  checkpoint: text({
    group: 'Evaluation',
    help: "A run's folder, last or best in it, or one checkpoint.",
    placeholder: 'FOLDER',
    default: undefined,
  }),
  data: text({
    group: 'Evaluation',
    help: 'Folder of the dataset.',
    placeholder: 'FOLDER',
    default: undefined,
    unset: 'where it was in training',
  }),
  device: choice(DEVICES, { group: 'Evaluation', help: 'Where to compute.', default: 'cpu' }),
  threads: integer(
    { min: 0, max: 1024 },
    { group: 'Evaluation', help: 'CPU threads; 0 uses all cores.', default: 0 },
  ),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

export async function evaluate(argv: readonly string[]): Promise<void> {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about: 'Measures a checkpoint on all test images of its dataset.',
        usage: 'npm run evaluate -- --checkpoint FOLDER [--data FOLDER]',
        examples: ['npm run evaluate -- --checkpoint runs/NAME/best --data DIR'],
      }),
    );
    return;
  }
  const { spec, weights, source } = await openModel(requireCheckpoint(values.checkpoint), values.data);
  const session = await openInference(spec, values);
  const loader = await openTestLoader(source);
  const { images, loss, top1, top5 } = await evaluateModel(
    session,
    spec,
    weights,
    loader.batches({ epoch: 0 }),
  );
  await Promise.all([loader.close(), session.release()]);
  print(
    `${images.toLocaleString('en')} test images: loss ${loss.toFixed(4)}, accuracy ${(100 * top1).toFixed(2)}%, top-5 ${(100 * top5).toFixed(2)}%`,
  );
}

/** The flag that evaluate and export cannot do without. */
export function requireCheckpoint(folder: string | undefined): string {
  if (folder !== undefined) return folder;
  throw new UserError(
    '--checkpoint: expected the folder of a run or a checkpoint, for example runs/NAME/best',
  );
}
