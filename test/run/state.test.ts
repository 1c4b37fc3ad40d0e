/** What is random and what a model keeps itself: passes over one batch see the same, and state advances once a micro-batch. */
import test from 'ava';
import type { GraphName } from '../../src/artifacts/graphs.ts';
import { createHostTrainer } from '../../src/run/host-trainer.ts';
import type { Session, Tensor } from '../../src/runtime/session.ts';
import { batchOf, dropped, floats, running } from './_tasks.ts';
import { described, graphsOf, load, onHost, planOf, STRENGTHS } from './_train.ts';

interface Ran {
  readonly graph: GraphName;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

/** What the graphs are fed in one step from starting values. */
async function fed(training: Parameters<typeof onHost>[0], observed = false): Promise<Ran[]> {
  const { task, kind = 'none', batchSize = 8 } = training;
  const graphs = graphsOf(training);
  const ran: Ran[] = [];
  const trainer = createHostTrainer({
    manifest: described(task, graphs),
    plan: planOf(kind),
    batchSize,
    seed: 3,
    async load(graph): Promise<Session> {
      const session = await load(graphs, graph);
      return {
        ...session,
        run(feeds, fetches) {
          const copies = Object.entries(feeds).map(([name, tensor]): [string, Tensor] => [
            name,
            { ...tensor, data: tensor.data.slice() },
          ]);
          ran.push({ graph, feeds: Object.fromEntries(copies) });
          return session.run(feeds, fetches);
        },
      };
    },
  });
  trainer.variables.initialize(5);
  const gauge = observed
    ? { gradient: () => {}, update: (_k: number, _arrays: object, apply: () => void) => apply() }
    : undefined;
  await trainer.step(0, batchOf(task, batchSize, 0), gauge);
  await trainer.release();
  return ran;
}

for (const kind of ['fd', 'sam', 'exact']) {
  test(`both passes of ${kind} see the same masks and the same state`, async (t) => {
    for (const task of [dropped, running]) {
      const ran = await fed({ task, kind, microBatch: 4 });
      t.deepEqual(
        ran.map(({ graph }) => graph),
        kind === 'exact' ? ['loss-grad', 'loss-grad', 'hvp', 'hvp'] : Array(4).fill('loss-grad'),
      );
      const watched = (place: number) =>
        Object.entries(ran[place]?.feeds ?? {}).filter(([name]) => /^(random\/|mean$)/.test(name));
      t.true(watched(0).length > 0);
      t.deepEqual(watched(2), watched(0));
      t.deepEqual(watched(3), watched(1));
      t.notDeepEqual(watched(1), watched(0));
    }
  });
}

test('a graph that does exact GR alone sees the masks and the state of the clean pass beside it', async (t) => {
  for (const task of [dropped, running]) {
    const [whole, clean, ...more] = await fed({ task, kind: 'exact' }, true);
    t.deepEqual(more, []);
    t.is(whole?.graph, 'gr-exact');
    t.is(clean?.graph, 'loss-grad');
    const { lambda, ...rest } = whole?.feeds ?? {};
    t.deepEqual(lambda?.data, Float32Array.of(0.05));
    t.deepEqual(rest, clean?.feeds);
  }
});

test('to look at a step changes none of its numbers', async (t) => {
  for (const kind of Object.keys(STRENGTHS)) {
    const after = async (isObserved: boolean) => {
      const graphs = graphsOf({ task: running });
      const trainer = createHostTrainer({
        ...{ manifest: described(running, graphs), plan: planOf(kind), batchSize: 8, seed: 3 },
        load: (name) => load(graphs, name),
      });
      trainer.variables.initialize(5);
      const gauge = {
        gradient: () => {},
        update: (_k: number, _arrays: object, apply: () => void) => apply(),
      };
      const told = await trainer.step(0, batchOf(running, 8, 0), isObserved ? gauge : undefined);
      await trainer.release();
      return { told, variables: trainer.variables.variables(['trainable', 'state'], { copied: true }) };
    };
    t.deepEqual(await after(true), await after(false), kind);
  }
});

test('state advances once a micro-batch, in sequence, and the same under every regularizer', async (t) => {
  let mean = new Float64Array(5);
  for (let step = 0; step < 3; step++) {
    const x = floats(batchOf(running, 8, step).fields.x);
    for (const first of [0, 4]) {
      mean = mean.map((old, i) => {
        const sum = [0, 1, 2, 3].reduce((total, k) => total + (x[(first + k) * 5 + i] ?? Number.NaN), 0);
        return 0.9 * old + (0.1 * sum) / 4;
      });
    }
  }
  for (const kind of Object.keys(STRENGTHS)) {
    const { variables } = await onHost({ task: running, kind, microBatch: 4 });
    mean.forEach((wanted, i) => {
      const got = variables.mean?.[i] ?? Number.NaN;
      t.true(Math.abs(got - wanted) < 1e-7, `${kind}: ${got}, not ${wanted}`);
    });
  }
});

test('a step that diverges leaves the state as it was', async (t) => {
  const graphs = graphsOf({ task: running, microBatch: 4 });
  const trainer = createHostTrainer({
    ...{ manifest: described(running, graphs), plan: planOf('sam'), batchSize: 8, seed: 3 },
    load: (name) => load(graphs, name),
  });
  trainer.variables.initialize(5);
  await trainer.step(0, batchOf(running, 8, 0));
  const kept = () => trainer.variables.variables(['trainable', 'state'], { copied: true });
  const before = kept();
  const { fields, ...batch } = batchOf(running, 8, 1);
  const broken = { ...batch, fields: { ...fields, y: new Float32Array(16).fill(Number.NaN) } };
  await t.throwsAsync(() => trainer.step(1, broken), {
    message: /^step 2: loss NaN is not finite, on batch 2 of epoch 1/,
  });
  t.deepEqual(kept(), before);
  await trainer.release();
});
