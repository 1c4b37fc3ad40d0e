/** `ortgrad report`: writes the report of a run or a study again. The run or study may still be going. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { parseConfig } from '../config/config.ts';
import { number, type OptionTable, text } from '../config/options.ts';
import { UserError } from '../errors.ts';
import { writeStudyReport } from '../report/study/write.node.ts';
import { writeReport } from '../report/write.node.ts';
import { documentFile, loadModel } from '../storage/checkpoint-folder.node.ts';
import { parseComparison } from '../study/compare.ts';
import { DESIGN_FILE, readStudy } from '../study/results.node.ts';
import { aboutRun } from './about-run.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';
import { print } from './print.ts';
import { typed } from './typed.ts';

const TABLE = {
  model: text({
    group: 'Report',
    help: 'The module of your own that the model was trained from, with --model.',
    placeholder: 'FILE.js',
    default: undefined,
  }),
  compare: text({
    group: 'Report',
    help: "Also compares two values of an axis of a study, such as 'gr: GR + zero-warmup - GR', in every setting that has both. Several are separated by semicolons.",
    placeholder: 'AXIS: VALUE - VALUE',
    default: undefined,
  }),
  difference: number(
    { above: 0 },
    {
      group: 'Report',
      help: 'Also says how many seeds a study takes to show this difference of its test error, in its unit.',
      default: undefined,
      unset: '1 where errors are per cent',
    },
  ),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

export async function report(argv: readonly string[]): Promise<void> {
  const { values, rest } = parseFlags(argv, TABLE, 1);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          "Writes report.html in a run's folder from its metrics and its best checkpoint, or in a study's from its runs.",
        usage: typed('report', 'FOLDER [options]'),
        examples: [
          typed('report', 'runs/NAME'),
          typed('report', 'runs/STUDY'),
          typed('report', "runs/STUDY --compare 'gr: GR + zero-warmup - GR' --difference 0.5"),
        ],
      }),
    );
    return;
  }
  const [folder] = rest;
  if (folder === undefined)
    throw new UserError(`expected the folder of a run or a study: ${typed('report', 'runs/NAME')}`);
  if (existsSync(path.join(folder, DESIGN_FILE))) {
    if (values.model !== undefined)
      throw new UserError(
        '--model: is for the report of a run, and the folder is of a study; leave --model out',
      );
    await ofStudy(folder, values.compare, values.difference);
    return;
  }
  const foreign = (['compare', 'difference'] as const).find((key) => values[key] !== undefined);
  if (foreign !== undefined)
    throw new UserError(
      `--${foreign}: is for the report of a study, and ${folder} has no ${DESIGN_FILE}; leave --${foreign} out`,
    );
  print(`report: ${await ofRun(folder, values.model)}`);
}

/** Writes a study's report, and prints what its runs could have shown. */
async function ofStudy(
  folder: string,
  compare: string | undefined,
  difference: number | undefined,
): Promise<void> {
  const study = await readStudy(folder);
  const texts = compare?.split(';').filter((text) => text.trim() !== '') ?? [];
  const asked = texts.map((text) => parseComparison(text, study.axes, '--compare'));
  const { report: page, power } = await writeStudyReport(folder, study, { compare: asked, difference });
  for (const line of power) print(line);
  print(`report: ${page}`);
}

/** A checkpoint imports no code by itself: `module` is what the user names. */
async function ofRun(folder: string, module: string | undefined): Promise<string> {
  const config = parseConfig((await loadModel(folder)).config, await documentFile(folder));
  return writeReport(folder, {
    name: path.basename(path.resolve(folder)),
    ...(await aboutRun(folder, config, module)),
  });
}
