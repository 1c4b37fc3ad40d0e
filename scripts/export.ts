import { exportModel } from '../src/cli/export.ts';
import { runMain } from '../src/cli/fail.ts';

await runMain(exportModel);
