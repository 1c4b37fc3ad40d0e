/**
 * Reads ONNX files whole, as models in which all trains, and says what came of each: its variables, or what stands in the
 * way.
 *
 *     npm run peers:import-files -- FILE…
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { messageOf } from '../../../src/errors.ts';
import { importModel } from '../../../src/import/import-model.ts';

for (const file of process.argv.slice(2)) {
  const start = performance.now();
  try {
    const model = importModel(readFileSync(file));
    const trained = model.variables.filter(({ role }) => role === 'trainable').length;
    const time = Math.round(performance.now() - start);
    const trunk = model.trunk ? ', behind a part that is kept as it is' : '';
    process.stdout.write(
      `${basename(file)}: ${trained} of ${model.variables.length} variables train${trunk}, ${time} ms\n`,
    );
  } catch (error) {
    process.stdout.write(`${basename(file)}: ${messageOf(error).slice(0, 300)}\n`);
  }
}
