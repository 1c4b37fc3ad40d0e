import { runMain } from '../src/cli/fail.ts';
import { artifacts } from '../src/cli/artifacts.ts';

await runMain(artifacts);
