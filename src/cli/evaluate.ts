/** `ortgrad evaluate`: a checkpoint's loss and metrics on the test set. */

import { describeEvaluation } from '../artifacts/manifest.ts';
import { choice, integer, type OptionTable, text, toggle } from '../config/options.ts';
import { counted } from '../counted.ts';
import { entryOf } from '../data/names.ts';
import { expectDataFolder } from '../data/open.node.ts';
import { show, UserError } from '../errors.ts';
import { classesOf, confusionOf } from '../inference/confusion.ts';
import { openEvaluation, openModel, type TrainedModel } from '../inference/model.node.ts';
import { metricText, namedMetrics } from '../metrics/info.ts';
import { openTestLoader } from '../run/data.node.ts';
import { type Measured, measure } from '../run/measure.ts';
import { DEVICES } from '../runtime/session.ts';
import { infosOf } from '../tasks/infos.ts';
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
  model: text({
    group: 'Evaluation',
    help: 'The module of your own that the model was trained from, with --model.',
    placeholder: 'FILE.js',
    default: undefined,
  }),
  ema: toggle({
    group: 'Evaluation',
    help: 'Measure the averaged weights of a run with --ema, in place of the raw ones.',
    default: false,
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
          'Measures a checkpoint on all test examples of its dataset: loss and metrics; of a classifier also the accuracy of each class, and which classes it confuses.',
        usage: typed('evaluate', 'FOLDER [--data FOLDER]'),
        examples: [typed('evaluate', 'runs/NAME/best --data DIR')],
      }),
    );
    return;
  }
  const model = await openModel(checkpointOf(values.checkpoint, rest), values);
  const { loss, metrics, sums, examples } = await measureOnTest(model, values);
  const infos = infosOf(model.task);
  const told = namedMetrics(infos).map((info) => {
    const value = metrics[info.name];
    const name = info.isMinor ? (info.short ?? info.label) : info.label;
    return value === undefined ? '' : `, ${name} ${metricText(info, value, 2)}`;
  });
  const noun = entryOf(model.source.dataset)?.noun ?? 'example';
  print(`${counted(examples, `test ${noun}`)}: loss ${loss.toFixed(4)}${told.join('')}`);
  const confusion = confusionOf(sums, classesOf(model.checkpoint.dataset));
  if (confusion) for (const line of classLines(confusion)) print(line);
}

/** Measures a model on the test examples of its dataset. Throws UserError where they are missing. */
export async function measureOnTest(
  model: TrainedModel,
  device: Parameters<typeof openEvaluation>[1],
): Promise<Measured> {
  const { task, weights, source } = model;
  expectDataFolder(source);
  const session = await openEvaluation(task, device);
  const batches = await openTestLoader(model, device, print).catch(async (error: unknown) => {
    await session.release();
    throw error;
  });
  try {
    const contract = describeEvaluation(task);
    return await measure(session, contract, task.metrics, weights, batches.batches({ epoch: 0 }));
  } finally {
    await Promise.all([batches.close(), session.release()]);
  }
}

/** The checkpoint that evaluate and export need: an argument, or the flag. Throws a UserError if it is missing. */
export function checkpointOf(flag: string | undefined, [argument]: readonly string[]): string {
  if (flag !== undefined && argument !== undefined)
    throw new UserError(`--checkpoint: ${show(argument)} was given as well; leave one of the two out`);
  const folder = argument ?? flag;
  if (folder !== undefined) return folder;
  throw new UserError('expected the folder of a run or a checkpoint, for example runs/NAME/best');
}
