import { runMain } from '../src/cli/fail.ts';
import { study } from '../src/cli/study.ts';

await runMain(study);
