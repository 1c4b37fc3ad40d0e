/** `ortgrad report`: writes a run's report anew, also of a run that is not over. */
import path from 'node:path';
import { UserError } from '../errors.ts';
import { writeReport } from '../report/write.ts';
import { loadModel } from '../train/checkpoint-folder.ts';
import { parseConfig } from '../train/config.ts';
import type { OptionTable } from '../train/options.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';
import { predictSamples } from './samples.ts';

const TABLE = { ...COMMON_FLAGS } as const satisfies OptionTable;

export async function report(argv: readonly string[]): Promise<void> {
  const { values, rest } = parseFlags(argv, TABLE, 1);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about: "Writes report.html in a run's folder from its metrics and its best checkpoint.",
        usage: 'npm run report -- FOLDER',
        examples: ['npm run report -- runs/NAME'],
      }),
    );
    return;
  }
  const [folder] = rest;
  if (folder === undefined)
    throw new UserError('report: expected the folder of a run, for example runs/NAME');
  const config = parseConfig((await loadModel(folder)).config, folder);
  const page = await writeReport(folder, {
    name: path.basename(path.resolve(folder)),
    facts: {
      graph: config.graph,
      device: config.device,
      'micro-batch': config.microBatch,
      memory: config.memory ?? 'fast',
    },
    samples: await predictSamples(folder, config),
  });
  console.log(`report: ${page}`);
}
