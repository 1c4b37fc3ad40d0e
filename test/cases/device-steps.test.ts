/** Steps whose state stays in one graph are the host's: AdamW, clipping, an average of the weights, masks. */
import test from 'ava';
import { adamw } from '../../src/step/rules/adam.ts';
import { ema } from '../../src/step/rules/ema.ts';
import { dropped } from '../run/_tasks.ts';
import { difference, onDevice, onHost, STRENGTHS } from '../run/_train.ts';

for (const kind of Object.keys(STRENGTHS)) {
  test(`${kind}: six steps with AdamW, hard clipping, EMA and masks`, async (t) => {
    const training = { task: dropped, kind, steps: 6, plan: { rule: ema(adamw(), 0.9), clip: 0.3 } };
    const [host, device] = [await onHost(training), await onDevice(training)];
    t.true(
      host.told.some(({ regularizedNorm }) => regularizedNorm > 0.3),
      'nothing is clipped',
    );
    const error = difference(device, host);
    t.true(error < 1e-5, `variables: ${error}`);
    for (const slot of ['mu', 'nu', 'ema']) {
      const wanted = host.slots[slot] ?? [];
      t.is(wanted.length, 4);
      wanted.forEach((array, k) => {
        const apart = Math.hypot(...array.map((x, i) => x - (device.slots[slot]?.[k]?.[i] ?? Number.NaN)));
        t.true(apart < 2e-5 * Math.hypot(...array), `${slot} ${k}: ${apart}`);
      });
    }
  });
}
