/** A training run of a reader's own file on a reader's own data, and what is saved of it. */
import { TaskGraphs } from '../../artifacts/graphs.ts';
import { describeTask } from '../../artifacts/manifest.ts';
import { withRates } from '../../artifacts/roles.ts';
import { joined } from '../../bytes.ts';
import { parseConfig } from '../../config/config.ts';
import { batchesOf, IN_ORDER, inSequence, TO_TRAIN } from '../../data/batches.ts';
import type { Split } from '../../data/dataset.ts';
import { exportTrained } from '../../import/export.ts';
import type { ImportedModel } from '../../import/import-model.ts';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapterFiles } from '../../import/peft.ts';
import { jsonText } from '../../json-text.ts';
import { beginTrainer } from '../../run/begin.ts';
import { planRun } from '../../run/plan.ts';
import { openTrunk } from '../../run/trunk.ts';
import { encodeSafetensors } from '../../storage/safetensors.ts';
import { tar } from '../../storage/tar.ts';
import { threadCount } from '../support.ts';
import type { Backend } from '../train/backend.ts';
import { PAGE_NAMES } from '../train/labels.ts';
import {
  expectBatch,
  type NamedPieces,
  PageRun,
  type PageRunOptions,
  type Training,
} from '../train/page-run.ts';
import { featuresOf } from './features.ts';
import type { PlannedModel } from './plan.ts';

/** What a run learns from. */
export interface Examples {
  readonly train: Split;
  readonly held: Split;
  /** What they are, for messages. */
  readonly things: string;
}

export interface OwnTraining extends Training {
  /** The file with trained numbers in place of its own, adapters merged. */
  tuned(): Promise<NamedPieces>;
  /** The adapters alone, as PEFT reads them. Throws UserError where there are none. */
  adapters(): Promise<NamedPieces>;
}

/**
 * A new run. `name` is that of the file, without its ending; `told` is called with what is being done. Throws UserError for
 * options that do not fit each other or the examples.
 */
export async function openOwnTraining(
  settings: object,
  name: string,
  planned: PlannedModel,
  examples: Examples,
  backend: Backend,
  told: (text: string) => void,
): Promise<OwnTraining> {
  const given = parseConfig({ ...settings, graph: name }, undefined, PAGE_NAMES);
  const config = { ...given, microBatch: given.batchSize, memory: given.memory ?? 'fast' } as const;
  const { task, model } = planned;
  const { batchSize, seed, memory } = config;
  const graphs = new TaskGraphs(task, { batch: batchSize, memory });
  const manifest = withRates(describeTask(task, graphs, { name, hash: '' }), config);
  const enough = (split: Split) =>
    batchesOf(task.fields, split, { batchSize, seed, shuffle: true, ...TO_TRAIN });
  expectBatch(enough(examples.train), config, `${examples.train.length}, the ${examples.things} to train on`);
  const { train, held } = await brought(planned, examples, batchSize, told);
  const batches = enough(train);
  const plan = planRun(config, batches.perEpoch);
  told('Writing the graphs of the model and of its gradient …');
  const run: PageRunOptions = {
    ...{ config, graphs, manifest, plan, backend },
    train: inSequence(batches),
    test: inSequence(batchesOf(task.fields, held, { batchSize, ...IN_ORDER })),
    testEvery: plan.stepsPerEpoch,
    begin: (trainer) => beginTrainer(trainer, seed, { values: model.weights() }),
  };
  return new OwnRun(run, name, planned);
}

/** The examples as the task takes them. */
async function brought(
  { task, data }: PlannedModel,
  { train, held, things }: Examples,
  batchSize: number,
  told: (text: string) => void,
): Promise<Pick<Examples, 'train' | 'held'>> {
  const trunk = task.trunk && (await openTrunk(task, { device: 'cpu', threads: threadCount() }));
  if (!trunk) return { train, held };
  const all = train.length + held.length;
  const through = (split: Split, before: number) =>
    featuresOf(split, trunk, {
      ...{ data, fields: task.fields, batchSize },
      told: (done) => told(`Running what does not train, once: ${before + done} of ${all} ${things} …`),
    });
  try {
    return { train: await through(train, 0), held: await through(held, train.length) };
  } finally {
    await trunk.release();
  }
}

class OwnRun extends PageRun implements OwnTraining {
  readonly #name: string;
  readonly #model: ImportedModel;
  readonly #lora: PlannedModel['lora'];

  constructor(options: PageRunOptions, name: string, { model, lora }: PlannedModel) {
    super(options);
    this.#name = name;
    this.#model = model;
    this.#lora = lora;
  }

  async tuned(): Promise<NamedPieces> {
    const { source, adapters } = this.#model;
    const weights = await this.weights();
    const trained = this.manifest.variables.flatMap(({ path, role }): [string, Float32Array][] => {
      const values = weights.get(path);
      return role === 'frozen' || !values ? [] : [[path, values]];
    });
    return {
      name: `${this.#name}-tuned.onnx`,
      pieces: [exportTrained(source, { values: new Map(trained), adapters })],
    };
  }

  async adapters(): Promise<NamedPieces> {
    const { config, tensors } = adapterFiles(this.#model, await this.weights(), this.#lora);
    const folder = `${this.#name}-adapters`;
    const files = [
      { path: `${folder}/${ADAPTER_CONFIG}`, bytes: new TextEncoder().encode(jsonText(config)) },
      { path: `${folder}/${ADAPTER_WEIGHTS}`, bytes: joined(encodeSafetensors(tensors, { format: 'pt' })) },
    ];
    return { name: `${folder}.tar`, pieces: tar(files, new Date()) };
  }
}
