/** Which training examples are held out for validation. */
import test from 'ava';
import fc from 'fast-check';
import type { HoldOut, Split } from '../../src/data/dataset.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { holdOut } from '../../src/data/subset.ts';
import { UserError } from '../../src/errors.ts';
import { cifar10Files, folder } from './_files.ts';

/** Example i is the number i, in the field `number`. */
function splitOf(labels: readonly number[]): Split {
  return {
    length: labels.length,
    strata: Int32Array.from(labels),
    read: (index, { number }, at) => {
      if (number) number[at] = index;
    },
  };
}

function numbers({ length, read }: Split): number[] {
  const number = new Int32Array(1);
  return Array.from({ length }, (_, i) => {
    read(i, { number }, 0);
    return number[0] ?? -1;
  });
}

test('every image is on one side, in its order; each class gives its share and keeps an image', (t) => {
  const cases = fc.tuple(
    fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
    fc.double({ min: 0.001, max: 0.999, noNaN: true }),
    fc.nat(1000),
  );
  fc.assert(
    fc.property(cases, ([sizes, share, seed]) => {
      const total = sizes.reduce((a, b) => a + b, 0);
      const wanted = Math.max(1, Math.round(share * (total - sizes.length)));
      fc.pre(total > sizes.length);
      // Classes take turns, so that neighbours are of different ones.
      const labels = sizes
        .flatMap((size, label) => Array.from({ length: size }, (_, i) => ({ label, at: i / size })))
        .sort((a, b) => a.at - b.at)
        .map(({ label }) => label);
      const [train, validation] = holdOut(splitOf(labels), { examples: wanted, seed });
      const [kept, held] = [numbers(train), numbers(validation)];
      t.is(held.length, wanted);
      t.deepEqual(
        [...kept, ...held].sort((a, b) => a - b),
        [...labels.keys()],
      );
      for (const [split, indices] of [
        [train, kept],
        [validation, held],
      ] as const) {
        t.deepEqual(
          indices,
          indices.toSorted((a, b) => a - b),
        );
        t.deepEqual(
          [...(split.strata ?? [])],
          indices.map((i) => labels[i]),
        );
      }
      sizes.forEach((size, label) => {
        const given = (validation.strata ?? new Int32Array()).filter((each) => each === label).length;
        t.true(given < size);
        const exact = (size * wanted) / total;
        // But for what classes that must keep their last image pass on.
        if (sizes.every((each) => (each * wanted) / total <= each - 1)) t.true(Math.abs(given - exact) < 1);
      });
    }),
  );
});

test('a seed draws the same images again, another one others', (t) => {
  const split = splitOf(Array.from({ length: 400 }, (_, i) => i % 4));
  const held = (seed: number) => numbers(holdOut(split, { fraction: 0.25, seed })[1]);
  t.is(held(1).length, 100);
  t.deepEqual(held(1), held(1));
  t.notDeepEqual(held(1), held(2));
});

for (const [how, message] of [
  [
    { examples: 18, seed: 0 },
    /^--validation-images 18: holds out 18 of 20 training examples, expected 1 to 16, /,
  ],
  [{ examples: 100, seed: 0 }, /^--validation-images 100: holds out 100 of 20 /],
  [{ fraction: 0.9, seed: 0 }, /^--validation 0\.9: holds out 18 of 20 /],
  [
    { fraction: 0.01, seed: 0 },
    /^--validation 0\.01: holds out 0 of 20 training examples, expected 1 to 16, so that /,
  ],
] as const satisfies readonly (readonly [HoldOut, RegExp])[])
  test(`what leaves nothing to train or to validate with is refused: ${JSON.stringify(how)}`, (t) => {
    const split = splitOf(Array.from({ length: 20 }, (_, i) => i % 4));
    t.throws(() => holdOut(split, how), { instanceOf: UserError, message });
  });

test('a dataset opens with the images in use divided, and says so', async (t) => {
  const dir = folder(t, cifar10Files(200));
  const source = { dataset: 'cifar10', classes: 10, dir } as const;
  const {
    train,
    validation,
    test: tests,
    found,
  } = await openDataset({
    ...source,
    trainFraction: 0.5,
    holdOut: { fraction: 0.2, seed: 4 },
  });
  t.deepEqual([train.length, validation?.length, tests.length], [80, 20, 2]);
  for (let label = 0; label < 10; label++)
    t.is(validation?.strata?.filter((each) => each === label).length, 2);
  t.regex(found, /; 20 training examples held out for validation, 80 left$/);
  t.is((await openDataset(source)).validation, undefined);
});
