/** Masks and uniform numbers: of a place in the whole batch alone, and masks by WebAssembly the bits of plain arithmetic. */
import test from 'ava';
import * as fc from 'fast-check';
import { CAPACITY, maskLoop } from '../../src/run/mask-loop.ts';
import { drawMask, drawUniform, emptyMask, fillPlainly } from '../../src/run/masks.ts';

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

test('uniform numbers depend on the place in the whole batch, not on the micro-batch', (t) => {
  const draw = (
    first: number,
    count: number,
    { per = 'example', name = 'random/a', step = 2, seed = 1 } = {},
  ) => {
    const uniform = { name, per: per === 'step' ? ('step' as const) : ('example' as const), shape: [3, 5] };
    const { data, shape, dtype } = drawUniform(uniform, { seed, step, first, count });
    t.is(dtype, 'float32');
    t.deepEqual(shape, per === 'step' ? [3, 5] : [count, 3, 5]);
    return Array.from(data, Number);
  };
  const whole = draw(0, 8);
  t.is(new Set(whole).size, 8 * 15);
  t.deepEqual([...draw(0, 2), ...draw(2, 6)], whole);
  t.deepEqual(draw(0, 2, { per: 'step' }), draw(2, 6, { per: 'step' }));
  t.deepEqual(draw(5, 1, { per: 'step' }), whole.slice(0, 15));
  const others = [
    draw(0, 8, { name: 'random/b' }),
    draw(0, 8, { step: 3 }),
    draw(0, 8, { seed: 2 }),
    draw(1, 8),
  ];
  for (const other of others) t.true(other.filter((value, i) => value === whole[i]).length < 2);
});

test('uniform numbers lie in [0, 1), and their moments are those of the uniform distribution', (t) => {
  const uniform = { name: 'random/a', per: 'example' as const, shape: [999] };
  const { data } = drawUniform(uniform, { seed: 0, step: 0, first: 0, count: 1000 });
  const numbers = Array.from(data, Number);
  t.true(numbers.every((value) => value >= 0 && value < 1 && Number.isInteger(value * 2 ** 24)));
  const moment = (power: number): number =>
    numbers.reduce((sum, value) => sum + value ** power, 0) / numbers.length;
  // A million draws: the deviations of these are 0.0003 and below.
  for (const power of [1, 2, 3])
    t.true(Math.abs(moment(power) - 1 / (power + 1)) < 1.2e-3, `${moment(power)}`);
});
