/** Saves checkpoints in a run folder, told to go on from a step, until it is killed; says which are safe. */
import { saveCheckpoint } from '../../src/storage/checkpoint-folder.node.ts';
import { bestAt, checkpointAt } from './_checkpoint.ts';

const [run = '', from = '0'] = process.argv.slice(2);
for (let step = Number(from) + 1; ; step++) {
  // Every third is the best so far.
  const best = step - ((step - 1) % 3);
  await saveCheckpoint(run, checkpointAt(step, bestAt(best, best), 1 << 16), { keep: 2 });
  process.stdout.write(`${step}\n`);
}
