import { runMain } from '../src/cli/fail.ts';
import { bench } from '../src/cli/bench.ts';

await runMain(bench);
