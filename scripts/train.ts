import { runMain } from '../src/cli/fail.ts';
import { train } from '../src/cli/train.ts';

await runMain(train);
