/** What is chosen before a run. */
import test from 'ava';
import { parseConfig } from '../../src/config/config.ts';
import { prepareRun } from '../../src/run/prepare.node.ts';

const prepared = (options: object) =>
  prepareRun(parseConfig({ graph: 'resnet-micro-cifar10', batchSize: 32, gr: 'none', ...options }, 'test'));

test('a batch whose examples see each other is cut only where the user says so, who is told what that means', async (t) => {
  const whole = await prepared({});
  t.is(whole.config.microBatch, 32);
  t.is(whole.warning, undefined);
  const cut = await prepared({ microBatch: 16 });
  t.is(cut.config.microBatch, 16);
  t.is(
    cut.warning,
    'examples of a batch see each other in this model: with --micro-batch 16 each sees 16 in place of 32, which changes what is trained',
  );
  t.false(cut.note.includes('\n'));
});

test('examples that do not see each other are cut without a word', async (t) => {
  const { config, warning } = await prepareRun(
    parseConfig({ graph: 'vit-nano-mnist', batchSize: 128, microBatch: 32, gr: 'none' }, 'test'),
  );
  t.is(config.microBatch, 32);
  t.is(warning, undefined);
});
