/**
 * Low-rank adapters on an exported encoder: it learns to tell the first twenty of forty languages apart and is exported;
 * then adapters of its attention, with its head, learn the last twenty, beside the head alone and all of it.
 *
 *     npm run bench:lora -- OUT [EPOCHS]
 */
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { artifacts } from '../src/cli/artifacts.ts';
import { measureOnTest } from '../src/cli/evaluate.ts';
import { exportModel } from '../src/cli/export.ts';
import { runMain } from '../src/cli/fail.ts';
import { print } from '../src/cli/print.ts';
import { train } from '../src/cli/train.ts';
import { UserError } from '../src/errors.ts';
import { openModel } from '../src/inference/model.node.ts';

const SETTINGS = ['--gr', 'none', '--batch-size', '64', '--seed', '0', '--threads', '1'];

/** Half of the languages, as a module of a user's own. */
function moduleOf(first: number): string {
  return `import { open as openAll } from '${pathToFileURL(path.resolve('src/data/languages.node.ts')).href}';

export async function open(source) {
  const all = await openAll({ ...source, options: { length: 64 } });
  const half = (split) => {
    const chosen = [];
    split.strata.forEach((label, i) => {
      if (label >= ${first} && label < ${first} + 20) chosen.push(i);
    });
    return {
      length: chosen.length,
      strata: Int32Array.from(chosen, (i) => split.strata[i] - ${first}),
      read(index, out, at, draw) {
        split.read(chosen[index], out, at, draw);
        out.labels[at] -= ${first};
      },
    };
  };
  const about = { ...all.about, classes: all.about.classes.slice(${first}, ${first} + 20) };
  return { ...all, about, train: half(all.train), test: half(all.test) };
}
`;
}

const WAYS: Readonly<Record<string, readonly string[]>> = {
  head: ['--trainable', '^head'],
  adapters: ['--trainable', '^head', '--lora', 'attn', '--rank', '4', '--lora-alpha', '8'],
  all: [],
};

await runMain(async ([out, epochs = '4']) => {
  if (out === undefined) throw new UserError('expected a folder to write to');
  mkdirSync(path.join(out, 'base'), { recursive: true });
  const at = (name: string): string => path.resolve(out, name);
  writeFileSync(at('first.mjs'), moduleOf(0));
  writeFileSync(at('last.mjs'), moduleOf(20));
  const model = { kind: 'encoder', vocabulary: 258, width: 64, layers: 2, heads: 4 };
  const spec = { task: 'text', dataset: at('first.mjs'), length: 64, classes: 20, model, microBatch: 64 };
  writeFileSync(at('base/spec.json'), JSON.stringify(spec));
  const steps = [...SETTINGS, '--epochs', epochs, '--lr', '3e-3'];
  await train(['--graph', at('base'), ...steps, '--out', at('runs/base')]);
  await exportModel([at('runs/base/last'), '--out', at('base.onnx')]);
  for (const [name, flags] of Object.entries(WAYS)) {
    const data = ['--dataset', at('last.mjs'), '--inputs', 'tokens=tokens', '--tokens', 'bytes'];
    await artifacts([at('base.onnx'), ...flags, ...data, '--out', at(name)]);
    await train(['--graph', at(name), ...steps, '--out', at(`runs/${name}`)]);
    const { loss, metrics } = await measureOnTest(await openModel(at(`runs/${name}/last`)), {
      device: 'cpu',
      threads: 0,
    });
    const [checkpoint = ''] = readdirSync(at(`runs/${name}/checkpoints`));
    const size = statSync(at(`runs/${name}/checkpoints/${checkpoint}/model.safetensors`)).size;
    print(
      `${name} on the last twenty languages: loss ${loss.toFixed(4)}, accuracy ${metrics.top1?.toFixed(4)}; ${size} bytes of weights in a checkpoint`,
    );
  }
});
