import { bench } from '../src/cli/bench.ts';
import { runMain } from '../src/cli/fail.ts';

await runMain(bench);
