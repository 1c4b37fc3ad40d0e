/** Adapters on a frozen base: a checkpoint holds the adapters, and the run's folder the base once. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { evaluate } from '../../src/cli/evaluate.ts';
import { train } from '../../src/cli/train.ts';
import { ownModule, ownProject, said } from '../cli/_own.ts';

test.serial(
  'LoRA: checkpoints of kilobytes beside one frozen.safetensors, which evaluation finds',
  async (t) => {
    const project = ownProject();
    t.teardown(() => project.close());
    // Hu et al. 2021: W·x + B·A·x, of which B starts at 0.
    const adapted = `const wide = og.tanh(og.dense(scope.sub('in'), x, 256));
    const low = og.matmul(wide, scope.sub('lora').param('a/kernel', [256, 2], { kind: 'normal', std: 0.1 }));
    const more = og.matmul(low, scope.sub('lora').param('b/kernel', [2, 256], { kind: 'zeros' }));
    const hidden = og.tanh(og.add(og.dense(scope.sub('base'), wide, 256), more));`;
    project.write(
      'lora.mjs',
      ownModule({ "const hidden = og.tanh(og.dense(scope.sub('hidden'), x, 8));": adapted }),
    );
    const flags = [
      '--batch-size',
      '16',
      '--epochs',
      '3',
      '--threads',
      '1',
      '--freeze',
      '^(in|base)/',
      '--ema',
      '0.9',
    ];
    await said(train, '--model', 'lora.mjs', ...flags, '--out', 'run');

    const files = readdirSync('run', { recursive: true })
      .map((name) => path.join('run', String(name)))
      .filter((name) => name.endsWith('.safetensors') && statSync(name).isFile());
    const large = files.filter((name) => statSync(name).size > 50_000);
    t.deepEqual(large, ['run/frozen.safetensors']);
    // in: 2·256 + 256, base: 256·256 + 256 numbers.
    t.true(statSync('run/frozen.safetensors').size > 4 * (256 * 256 + 4 * 256));
    const models = files.filter((name) => name.endsWith('model.safetensors'));
    t.true(models.length >= 2 && models.every((name) => statSync(name).size < 6_500), models.join());
    t.regex(await said(evaluate, 'run', '--model', 'lora.mjs'), /^20 test examples: loss /);
  },
);
