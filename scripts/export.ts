import { runMain } from '../src/cli/fail.ts';
import { exportModel } from '../src/cli/export.ts';

await runMain(exportModel);
