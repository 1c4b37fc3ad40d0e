/**
 * Trains through ONNX files of others: all of a file, and its last layer alone. Prints how right outputs, gradients and
 * exact regularization are (measure.ts), or what stands in the way.
 *
 *     npm run peers:import-files -- FOLDER… [--only REGEXP] [--onnx-ad PYTHON] [--batch 2]
 *
 * FOLDERs are searched for .onnx files: unpacked packages. PYTHON is one that has PyPI `onnx-ad` 0.3.0.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, UserError } from '../../../src/errors.ts';
import { type OnnxModel, readModel } from '../../../src/import/onnx-model.ts';
import { type ImportOptions, planOf } from '../../../src/import/plan.ts';
import { exactly } from '../../../src/import/variables.ts';
import { beforeSoftmax } from '../../../src/tasks/import-for.ts';
import { withRandomWeights } from './generated-weights.ts';
import { measure } from './measure.ts';

/** What a user of these files says about them: sizes that they leave open, and inputs that are no data. */
const OPTIONS: readonly (readonly [file: RegExp, options: ImportOptions])[] = [
  [/nudenet.*320n/, { dims: { height: 128, width: 128 } }],
  [/PP-OCRv4_det/, { dims: { 'p2o.DynamicDimension.1': 64, 'p2o.DynamicDimension.2': 64 } }],
  [/PP-OCRv4_rec/, { dims: { 'x[2]': 48, 'p2o.DynamicDimension.1': 96 } }],
  [/ppocr_mobile_v2.0_cls/, { dims: { 'x[2]': 48, 'x[3]': 192 } }],
  [
    /data.silero_vad\.onnx/,
    { dims: { 'input[1]': 576 }, fix: { sr: 16_000, state: 0 }, outputs: ['output'] },
  ],
  [
    /silero_vad_(16k_op15|op18_ifless)/,
    { dims: { sequence: 576 }, fix: { sr: 16_000, state: 0 }, outputs: ['output'] },
  ],
  [/silero_vad_half/, { dims: { sequence: 576 }, fix: { state: 0 }, outputs: ['output'] }],
  [/silero_vad_openvino/, { fix: { state: 0 }, outputs: ['output'] }],
  [/silero_vad_16k_sequence/, { fix: { h: 0, c: 0 }, outputs: ['speech_probs'] }],
  [
    /models.silero_vad\.onnx/,
    { dims: { sequence: 512 }, fix: { sr: 16_000, h: 0, c: 0 }, outputs: ['output'] },
  ],
  // Behind it an If, whose branch the data choose, asks a second network.
  [/hey_jarvis/, { outputs: ['p1.1'] }],
  [/melspectrogram/, { dims: { samples: 1280 } }],
];

/** The variables of the last node that has a matrix, and of those behind it. */
function lastLayer(model: OnnxModel, options: ImportOptions): string {
  const { nodes, variables } = planOf(model, options);
  const own = (inputs: readonly string[]) => inputs.flatMap((name) => variables.get(name) ?? []);
  const last = nodes.findLastIndex(({ inputs }) => own(inputs).some(({ shape }) => shape.length > 1));
  const names = nodes.slice(Math.max(0, last)).flatMap(({ inputs }) => own(inputs).map(({ path }) => path));
  return exactly([...new Set(names)]);
}

/** The cells of a table about training some of a file, or why that is refused. */
async function cells(model: OnnxModel, options: ImportOptions): Promise<string> {
  try {
    const found = await measure({ model, options, batch: Number(flags.batch), python: flags['onnx-ad'] });
    const { trained, judged, nodesKept, output, gradient, second, by, refusal } = found;
    const shown = [output, gradient, second].map((each) => each.toExponential(1)).join(' | ');
    const kept = nodesKept > 0 ? `, ${nodesKept} nodes kept` : '';
    return `${trained}${judged < trained ? `, ${judged} compared` : ''}${kept} | ${shown} | ${by}${refusal === '' ? '' : ` (${refusal.slice(0, 200)})`} |`;
  } catch (error) {
    const name = error instanceof UserError ? 'refused' : 'FAILED';
    return `${name}: ${messageOf(error).slice(0, flags.verbose ? 4000 : 300)} | | | | |`;
  }
}

const { values: flags, positionals } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    'onnx-ad': { type: 'string' },
    batch: { type: 'string', default: '2' },
    verbose: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const files = positionals.flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.onnx') && new RegExp(flags.only).test(file))
    .map((file) => join(folder, file)),
);
process.stdout.write(
  '| file | opset | nodes | trains | tensors | output | gradient | exact GR | by |\n' +
    '| --- | ---: | ---: | --- | --- | ---: | ---: | ---: | --- |\n',
);
for (const file of files.sort()) {
  const [, given = {}] = OPTIONS.find(([pattern]) => pattern.test(file)) ?? [];
  const model = readModel(withRandomWeights(readFileSync(file)));
  // A loss takes what goes into a Sigmoid or a Softmax at the end, as it does in training.
  const outputs = (given.outputs ?? model.outputs).map((name) =>
    beforeSoftmax(model.nodes, 'cross-entropy', beforeSoftmax(model.nodes, 'bce', name)),
  );
  const options = { ...given, outputs };
  const opset = model.proto.opsetImport.find(({ domain }) => domain === '')?.version;
  const start = `| ${basename(file, '.onnx')} | ${opset} | ${model.nodes.length} |`;
  process.stdout.write(`${start} all | ${await cells(model, options)}\n`);
  const trainable = lastLayer(model, options);
  process.stdout.write(`${start} head | ${await cells(model, { ...options, trainable })}\n`);
}
