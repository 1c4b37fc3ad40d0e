import { artifacts } from '../src/cli/artifacts.ts';
import { runMain } from '../src/cli/fail.ts';

await runMain(artifacts);
