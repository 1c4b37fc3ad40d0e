import test from 'ava';
import * as v from 'valibot';
import { UserError } from '../../src/errors.ts';
import { Scope } from '../../src/layers/scope.ts';
import { DECAY_RULES, decayMask } from '../../src/layers/weight-decay.ts';
import { vit, vitSchema } from '../../src/models/vit.ts';
import { input } from '../../src/onnx/ops.ts';
import { normOf } from '../../src/run/diagnostics/vectors.ts';
import { clipScale } from '../../src/step/clip.ts';

test('clipping scales as torch.nn.utils.clip_grad_norm_ does', (t) => {
  const gradients = [Float32Array.of(3, 4), Float32Array.of(0, 0)];
  t.is(normOf(gradients), 5);
  // p.grad = torch.tensor([3., 4., 0., 0.]); clip_grad_norm_([p], 1.0) leaves [0.59999988, 0.79999984, 0, 0]
  t.true(Math.abs(3 * clipScale(5, 1) - 0.59999988) < 1e-9);
  t.is(clipScale(0.5, 1), 1);
  t.is(clipScale(0, 1), 1);
});

test('kernels decay, and every parameter of a Vision Transformer is covered', (t) => {
  const scope = new Scope();
  vit(
    scope,
    input('images', [2, 1, 8, 8]),
    3,
    v.parse(vitSchema, { kind: 'vit', patch: 4, width: 8, layers: 1, heads: 2 }),
  );
  const paths = scope.parameters.map(({ path }) => path);
  const decaying = paths.filter((_, i) => decayMask(paths)[i]);
  t.deepEqual(decaying, [
    'embed/kernel',
    ...['attn/query', 'attn/key', 'attn/value', 'attn/out', 'mlp/fc1', 'mlp/fc2'].map(
      (name) => `block0/${name}/kernel`,
    ),
    'head/kernel',
  ]);
});

test('a parameter that no rule covers is named, and the rule that the error gives covers it', (t) => {
  t.throws(() => decayMask(['head/kernel', 'head/gain']), {
    instanceOf: UserError,
    message:
      'decayMask: no rule covers parameter head/gain; name it kernel, bias or scale, or pass a rule: decayMask(paths, [[/(^|\\/)gain$/, false], ...DECAY_RULES])',
  });
  t.deepEqual(decayMask(['head/kernel', 'head/gain'], [[/(^|\/)gain$/, false], ...DECAY_RULES]), [
    true,
    false,
  ]);
});
