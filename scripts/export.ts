import { exportModel } from '../src/cli/export.ts';
import { runMain } from '../src/cli/fail.ts';
import { bundlePage } from './web/bundle.ts';

await runMain((argv) => exportModel(argv, () => bundlePage('main.ts')));
