import { runMain } from '../src/cli/fail.ts';
import { evaluate } from '../src/cli/evaluate.ts';

await runMain(evaluate);
