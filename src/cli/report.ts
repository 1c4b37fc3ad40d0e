/** `ortgrad report`: writes the report of a run or a study again. The run or study may still be going. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { parseConfig } from '../config/config.ts';
import { type OptionTable, text } from '../config/options.ts';
import { UserError } from '../errors.ts';
import { writeStudyReport } from '../report/study/write.node.ts';
import { writeReport } from '../report/write.node.ts';
import { documentFile, loadModel } from '../storage/checkpoint-folder.node.ts';
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
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

export async function report(argv: readonly string[]): Promise<void> {
  const { values, rest } = parseFlags(argv, TABLE, 1);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          "Writes report.html in a run's folder from its metrics and its best checkpoint, or in a study's from its runs.",
        usage: typed('report', 'FOLDER [--model FILE.js]'),
        examples: [typed('report', 'runs/NAME'), typed('report', 'runs/STUDY')],
      }),
    );
    return;
  }
  const [folder] = rest;
  if (folder === undefined)
    throw new UserError(`expected the folder of a run or a study: ${typed('report', 'runs/NAME')}`);
  const isStudy = existsSync(path.join(folder, DESIGN_FILE));
  print(`report: ${await (isStudy ? ofStudy(folder) : ofRun(folder, values.model))}`);
}

async function ofStudy(folder: string): Promise<string> {
  const { report: page } = await writeStudyReport(folder, await readStudy(folder));
  return page;
}

/** A checkpoint imports no code by itself: `module` is what the user names. */
async function ofRun(folder: string, module: string | undefined): Promise<string> {
  const config = parseConfig((await loadModel(folder)).config, await documentFile(folder));
  return writeReport(folder, {
    name: path.basename(path.resolve(folder)),
    ...(await aboutRun(folder, config, module)),
  });
}
