/** `ortgrad evaluate`: a checkpoint's loss and accuracy on the test images. */

import { choice, integer, type OptionTable, text } from '../config/options.ts';
import { expectDataFolder } from '../data/open.node.ts';
import { show, UserError } from '../errors.ts';
import { countConfusion } from '../inference/confusion.ts';
import { openInference, openModel } from '../inference/model.node.ts';
import { hasTop5 } from '../metrics/info.ts';
import { evaluate as evaluateModel } from '../run/evaluate.ts';
import { openTestLoader } from '../run/run.node.ts';
import { DEVICES } from '../runtime/session.ts';
import { classLines } from './classes.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';
import { print } from './print.ts';
import { typed } from './typed.ts';

const TABLE = {
  checkpoint: text({
    group: 'Evaluation',
    help: "A run's folder, last or best in it, or one checkpoint. The folder may also stand without the flag.",
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
  const { values, rest } = parseFlags(argv, TABLE, 1);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          'Measures a checkpoint on all test images of its dataset: loss, accuracy, the accuracy of each class, and which classes it confuses.',
        usage: typed('evaluate', 'FOLDER [--data FOLDER]'),
        examples: [typed('evaluate', 'runs/NAME/best --data DIR')],
      }),
    );
    return;
  }
  const { checkpoint, spec, weights, source } = await openModel(
    checkpointOf(values.checkpoint, rest),
    values.data,
  );
  const { confusion, add } = countConfusion(checkpoint.dataset.classes);
  expectDataFolder(source);
  const session = await openInference(spec, values);
  const loader = await openTestLoader(source);
  const { images, loss, top1, top5 } = await evaluateModel(
    session,
    spec,
    weights,
    loader.batches({ epoch: 0 }),
    add,
  );
  await Promise.all([loader.close(), session.release()]);
  print(
    `${images.toLocaleString('en')} test images: loss ${loss.toFixed(4)}, accuracy ${(100 * top1).toFixed(2)}%${hasTop5(spec.classes) ? `, top-5 ${(100 * top5).toFixed(2)}%` : ''}`,
  );
  for (const line of classLines(confusion)) print(line);
}

/** The checkpoint that evaluate and export need: an argument, or the flag. Throws a UserError if it is missing. */
export function checkpointOf(flag: string | undefined, [argument]: readonly string[]): string {
  if (flag !== undefined && argument !== undefined)
    throw new UserError(`--checkpoint: ${show(argument)} was given as well; leave one of the two out`);
  const folder = argument ?? flag;
  if (folder !== undefined) return folder;
  throw new UserError('expected the folder of a run or a checkpoint, for example runs/NAME/best');
}
