/** Locks a run's folder, says so, and stays until it is killed. */
import { lockRun } from '../../src/storage/run-lock.node.ts';

const [folder = ''] = process.argv.slice(2);
await lockRun(folder);
process.stdout.write('locked\n');
setInterval(() => {}, 1000);
