/** Saves checkpoints in a run folder, told to go on from a step, until it is killed; says which are safe. */
import { saveCheckpoint } from '../../src/train/checkpoint-folder.ts';
import { checkpointAt } from './_checkpoint.ts';

const [run = '', from = '0'] = process.argv.slice(2);
let best = { top1: 0, step: 0 };
for (let step = Number(from) + 1; ; step++) {
  if (step % 3 === 1) best = { top1: step, step };
  await saveCheckpoint(run, checkpointAt(step, best, 1 << 16), { keep: 2 });
  process.stdout.write(`${step}\n`);
}
