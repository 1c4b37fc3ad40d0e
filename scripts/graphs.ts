import { runMain } from '../src/cli/fail.ts';
import { graphs } from '../src/cli/graphs.ts';

await runMain(graphs);
