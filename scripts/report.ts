import { runMain } from '../src/cli/fail.ts';
import { report } from '../src/cli/report.ts';

await runMain(report);
