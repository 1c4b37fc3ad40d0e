/** Masks: of a place in the whole batch alone, and by WebAssembly the same bits as by plain arithmetic. */
import test from 'ava';
import * as fc from 'fast-check';
import { CAPACITY, maskLoop } from '../../src/run/mask-loop.ts';
import { drawMask, emptyMask, fillPlainly } from '../../src/run/masks.ts';

type Mask = Parameters<typeof drawMask>[0];
type Place = Parameters<typeof drawMask>[1];

const of = (changes: Partial<Mask> = {}): Mask => ({
  ...{ name: 'random/a', per: 'example', keep: 0.7, shape: [3, 5] },
  ...changes,
});

function isPlain(mask: Mask, place: Place): void {
  const wanted = emptyMask(mask, place);
  fillPlainly(wanted, mask, place);
  const { data } = drawMask(mask, place);
  const wrong = wanted.findIndex((kept, i) => data[i] !== kept);
  if (wrong >= 0 || data.length !== wanted.length) {
    throw new Error(`element ${wrong} of ${wanted.length}: expected ${wanted[wrong]}, got ${data[wrong]}`);
  }
}

const word = fc.oneof(fc.nat(9), fc.integer({ min: 0, max: 0xffffffff }));

test('by WebAssembly the bits are those of plain arithmetic', (t) => {
  t.truthy(maskLoop());
  fc.assert(
    fc.property(
      fc.record({
        name: fc.string(),
        per: fc.constantFrom('example', 'step'),
        keep: fc.oneof(fc.double({ min: 1e-6, max: 1, noNaN: true }), fc.constant(1)),
        shape: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 3 }),
      }),
      fc.record({ seed: word, step: word, first: word, count: fc.integer({ min: 1, max: 9 }) }),
      (mask, place) => isPlain(mask, place),
    ),
    { numRuns: 300 },
  );
});

test('masks of more than is filled at once too, whatever their length', (t) => {
  const place = { seed: 1, step: 2, first: 3, count: 3 };
  for (const length of [CAPACITY, CAPACITY + 1, CAPACITY / 2 - 3, CAPACITY - 5]) {
    t.notThrows(
      () => isPlain(of({ shape: [length] }), { ...place, count: length > CAPACITY ? 1 : 3 }),
      String(length),
    );
  }
});

test('a mask depends on the place in the whole batch, not on the micro-batch', (t) => {
  const draw = (per: 'example' | 'step', first: number, count: number, step = 2, seed = 1) => [
    ...drawMask(of({ per }), { seed, step, first, count }).data,
  ];
  const whole = draw('example', 0, 8);
  t.deepEqual([...draw('example', 0, 2), ...draw('example', 2, 6)], whole);
  t.deepEqual(draw('step', 0, 2), draw('step', 2, 6));
  t.is(draw('step', 0, 8).length, 15);
  for (const other of [draw('example', 0, 8, 3), draw('example', 0, 8, 2, 2), draw('example', 1, 8)]) {
    t.notDeepEqual(other, whole);
  }
  t.notDeepEqual(
    [...drawMask(of({ name: 'random/b' }), { seed: 1, step: 2, first: 0, count: 8 }).data],
    whole,
  );
});

test('a mask keeps its share, and with a chance of 1 all', (t) => {
  const share = (keep: number): number => {
    const { data } = drawMask(of({ keep, shape: [1001] }), { seed: 0, step: 0, first: 0, count: 1000 });
    return Array.from(data, Number).reduce((sum, kept) => sum + kept, 0) / data.length;
  };
  for (const keep of [0.9, 0.5, 0.1]) t.true(Math.abs(share(keep) - keep) < 2e-3, String(share(keep)));
  t.is(share(1), 1);
});
