import { runMain } from '../src/cli/fail.ts';
import { inspect } from '../src/cli/inspect.ts';

await runMain(inspect);
