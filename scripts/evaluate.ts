import { evaluate } from '../src/cli/evaluate.ts';
import { runMain } from '../src/cli/fail.ts';

await runMain(evaluate);
