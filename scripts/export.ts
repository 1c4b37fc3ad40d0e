import { exportModel } from '../src/cli/export.ts';
import { runMain } from '../src/cli/fail.ts';
import { bundle } from './web/bundle.ts';

await runMain((argv) => exportModel(argv, () => bundle('main.ts')));
