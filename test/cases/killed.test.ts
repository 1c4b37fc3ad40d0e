/** A small ViT with dropout and stochastic depth, and a PyramidNet with ShakeDrop, exactly regularized, in micro-batches: killed, resumed, bit-identical. */
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { readMetrics } from '../../src/storage/metrics-log.node.ts';
import { program, start, workspace } from '../cli/_program.ts';

const MODELS = {
  'a ViT': {
    modelOf: (vit: object): object => ({
      ...{ ...vit, layers: 2, dropout: 0.1, attentionDropout: 0.1, stochasticDepth: 0.2 },
    }),
    masks: 11,
    uniforms: 0,
  },
  'a PyramidNet': {
    modelOf: (): object => ({ kind: 'pyramidnet', block: 'basic', depth: 8, alpha: 3, shakeDrop: 0.5 }),
    masks: 3,
    uniforms: 6,
  },
} as const;

/** An option of node with which a process kills itself between two of its steps, once the file is there. */
const killedAt = (file: string): string => {
  const watch = `import { existsSync } from 'node:fs';
    setInterval(() => existsSync('${file}') && process.kill(process.pid, 'SIGKILL'), 1).unref();`;
  return `--import=data:text/javascript,${encodeURIComponent(watch)}`;
};

for (const [name, { modelOf, masks, uniforms }] of Object.entries(MODELS)) {
  test(`${name}: killed with SIGKILL in the middle of an epoch and resumed, every file of numbers is that of a run that was not`, async (t) => {
    const space = workspace();
    t.teardown(() => rmSync(space.folder, { recursive: true }));
    const file = path.join(space.graph, 'spec.json');
    const spec = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...spec, model: modelOf(spec.model) }));
    const out = (name: string) => path.join(space.folder, name);
    const flags = [...space.flags, '--gr', 'exact', '--micro-batch', '4', '--epochs', '4'].concat(
      ['--warmup-epochs', '1', '--checkpoint-every', '3'],
      ['--eval-every', '2', '--ema', '0.99'],
    );
    const whole = await program('train', ...flags, '--out', out('whole'));
    t.is(whole.code, 0, whole.stderr);
    const manifest = JSON.parse(readFileSync(path.join(space.graph, 'batch-4', 'manifest.json'), 'utf8'));
    t.deepEqual([manifest.masks.length, manifest.uniforms.length], [masks, uniforms]);

    const checkpoint = path.join(out('killed'), 'last', 'checkpoint.json');
    const killed = start('train', [...flags, '--out', out('killed')], { NODE_OPTIONS: killedAt(checkpoint) });
    t.deepEqual(await once(killed.child, 'exit'), [null, 'SIGKILL']);
    const reached = JSON.parse(readFileSync(checkpoint, 'utf8')).step;
    t.true(reached === 3 || reached === 6, `${reached} is not in the middle of an epoch of four steps`);
    const resumed = await program('train', '--resume', out('killed'));
    t.is(resumed.code, 0, resumed.stderr);
    for (const name of ['model.safetensors', 'optimizer.safetensors']) {
      const [got, wanted] = ['killed', 'whole'].map((run) => readFileSync(path.join(out(run), 'last', name)));
      t.deepEqual(got, wanted, name);
    }
    const log = (name: string) =>
      readMetrics(path.join(out(name), 'metrics.jsonl')).map(
        ({ examples_per_second: _, ...record }) => record,
      );
    t.deepEqual(log('killed'), log('whole'));
  });
}
