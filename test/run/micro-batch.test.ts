import test from 'ava';
import type { MemoryVariant } from '../../src/artifacts/graphs.ts';
import { configFor } from '../../src/config/config.ts';
import { UserError } from '../../src/errors.ts';
import { estimateMemory } from '../../src/run/memory-estimate.ts';
import { chooseMemory } from '../../src/run/micro-batch.ts';
import { graphsToRun } from '../../src/run/plan.ts';
import { imageGraphs, imageSpec } from '../_networks.ts';

const SPEC = { microBatch: 32 };
const FACTOR = { fast: 4, lean: 3, remat: 1.5 };

/** Chooses where an image takes 4, 3 or 1.5 bytes by level; also what was looked at. */
function choose(options: object, freeBytes: number) {
  const seen: string[] = [];
  const estimate = ({ microBatch, memory }: MemoryVariant): number => {
    seen.push(`${microBatch} ${memory}`);
    return microBatch * FACTOR[memory];
  };
  return { ...chooseMemory(SPEC, configFor({ ...options }), estimate, freeBytes), seen };
}

test('the fastest level of the largest micro-batch, up to that of the spec, where it fits', (t) => {
  t.like(choose({ batchSize: 64 }, 160), { microBatch: 32, memory: 'fast', bytes: 128, fits: true });
  t.like(choose({ batchSize: 16 }, 160), { microBatch: 16, memory: 'fast', bytes: 64 });
  t.like(choose({ batchSize: 36 }, 160), { microBatch: 18, memory: 'fast' });
  t.deepEqual(choose({ batchSize: 64 }, 160).seen, ['32 fast'], 'one graph is built');
});

test('a slower level before a smaller micro-batch where memory is short; a fifth of it stays free', (t) => {
  t.like(choose({ batchSize: 64 }, 159), { microBatch: 32, memory: 'lean' });
  t.like(choose({ batchSize: 64 }, 119), { microBatch: 32, memory: 'remat' });
  t.like(choose({ batchSize: 64 }, 59), { microBatch: 16, memory: 'remat' });
  t.like(choose({ batchSize: 64 }, 2), { microBatch: 1, memory: 'remat', fits: true });
});

test('what is given is kept, and only the rest chosen', (t) => {
  t.like(choose({ batchSize: 64, memory: 'lean' }, 119), { microBatch: 16, memory: 'lean' });
  t.like(choose({ batchSize: 64, microBatch: 64 }, 160), { microBatch: 64, memory: 'remat' });
  const both = choose({ batchSize: 64, microBatch: 64, memory: 'fast' }, 160);
  t.like(both, { microBatch: 64, memory: 'fast', bytes: 256, fits: false, seen: ['64 fast'] });
});

test('where nothing fits, the error says what is needed and what there is, after two looks', (t) => {
  const seen: MemoryVariant[] = [];
  const estimate = (variant: MemoryVariant): number => {
    seen.push(variant);
    return 3e9;
  };
  t.is(
    t.throws(() => chooseMemory(SPEC, configFor({}), estimate, 2e9), { instanceOf: UserError }).message,
    'memory: the run takes about 3.0 GB even with --micro-batch 1 --memory remat, but may take only 1.6 GB of the 2.0 GB that are free; end other programs, or take a smaller graph',
  );
  t.deepEqual(seen, [
    { microBatch: 32, memory: 'fast' },
    { microBatch: 1, memory: 'remat' },
  ]);
});

test('the estimate falls from level to level, and grows with what a run keeps of each parameter', (t) => {
  const spec = imageSpec({
    dataset: 'image-folder',
    image: { channels: 3, height: 32, width: 32 },
    classes: 10,
    model: { kind: 'vit', patch: 4, width: 64, layers: 2, heads: 2 },
    microBatch: 32,
  });
  const estimate = (options: object, variant: MemoryVariant): number =>
    estimateMemory(
      imageGraphs(spec, variant.microBatch, { memory: variant.memory }),
      configFor({ batchSize: 32, ...options }),
      { bytes: 1e6, testBatch: 10 },
    );
  const at = (memory: MemoryVariant['memory'], microBatch = 32): MemoryVariant => ({ microBatch, memory });
  const exact = (['fast', 'lean', 'remat'] as const).map((memory) => estimate({}, at(memory)));
  t.deepEqual(
    exact.toSorted((a, b) => b - a),
    exact,
  );
  t.is(new Set(exact).size, 3);
  t.true(estimate({}, at('lean', 8)) < estimate({}, at('lean')));

  const weights =
    4 * imageGraphs(spec, 1).parameters.reduce((n, { shape }) => n + shape.reduce((a, b) => a * b), 0);
  const near = (actual: number, expected: number) =>
    t.true(Math.abs(actual - expected) < 1, `${actual}, ${expected}`);
  const [adam, sgd, fd] = [{ gr: 'none' }, { gr: 'none', optimizer: 'sgd' }, { gr: 'fd' }].map((options) =>
    estimate(options, at('lean')),
  );
  near((adam ?? 0) - (sgd ?? 0), weights);
  near((fd ?? 0) - (adam ?? 0), 2 * weights);
  const fast = estimate({ gr: 'none' }, at('fast')) - estimate({ gr: 'none', optimizer: 'sgd' }, at('fast'));
  near(fast, 2 * weights); // the second in the copy that is saved
});

test('a run loads the graphs of its kind of regularization and of its micro-batches', (t) => {
  const graphs = (options: object) => graphsToRun(configFor({ batchSize: 32, microBatch: 32, ...options }));
  t.deepEqual(graphs({ gr: 'none' }), ['loss-grad']);
  t.deepEqual(graphs({ gr: 'fd', microBatch: 8 }), ['loss-grad']);
  t.deepEqual(graphs({ gr: 'exact' }), ['loss-grad', 'gr-exact']);
  t.deepEqual(graphs({ gr: 'exact', grWarmup: 'none' }), ['gr-exact']);
  t.deepEqual(graphs({ gr: 'exact', grWarmup: 'none', lambda: 0 }), ['loss-grad', 'gr-exact']);
  t.deepEqual(graphs({ gr: 'exact', microBatch: 8 }), ['loss-grad', 'hvp']);
});
