/**
 * Task → the files that a training session is created from, under the names that onnxruntime-training gave them. They are
 * plain bytes: they can be saved, sent and cloned. Also for browsers.
 */
import { evaluationGraph, type GraphName, MEMORY_LEVELS } from '../artifacts/graphs.ts';
import { describeEvaluation, type Manifest } from '../artifacts/manifest.ts';
import { joined } from '../bytes.ts';
import { show, UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import { adamw, type NamedRegularizer } from '../fit/optimizers.ts';
import { expectPattern, finds, ratesOf } from '../fit/plan.ts';
import type { Role, Variable } from '../layers/scope.ts';
import { initialize } from '../layers/scope.ts';
import { serialize } from '../onnx/serialize.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { TARGETS } from '../passes/finish.ts';
import { encodeSafetensors, type NamedTensor } from '../storage/safetensors.ts';
import type { Task } from '../tasks/task.ts';
import { tracePrediction } from '../tasks/trace.ts';
import type { ArtifactOptions, TaskStart, TrainingArtifacts } from './artifact-options.ts';
import { toBase64 } from './base64.ts';
import { graphKey, metadataOf, type TrainingDocument } from './document.ts';
import { remember } from './live.ts';
import { optimizerGraph } from './optimizer-graph.ts';
import { kindOf, namedGr, optimizerOf, planGr, regularizerOf } from './rules.ts';
import { TaskSource } from './source.ts';

/**
 * The artifacts of a task. Throws UserError for options that are none, patterns that find nothing, and weights of another
 * model.
 */
export function artifactsOf(
  task: Task,
  options: ArtifactOptions = {},
  start: TaskStart = {},
): TrainingArtifacts {
  const { clip = 0, lossName = 'loss', additionalOutputs = [], name = 'model', memory = 'fast' } = options;
  const { target = 'cpu' } = options;
  expectNumber('clip', clip, { min: 0 });
  expectOneOf('memory', memory, MEMORY_LEVELS);
  expectOneOf('target', target, TARGETS);
  const sizes = sizesOf(options.batchSize);
  const optimizer = optimizerOf(options.optimizer ?? adamw());
  const { named, rule, learningRate, weightDecay = 0, weightDecayIn = 'update' } = optimizer;
  if (!named) {
    throw new UserError(
      'optimizer: an update rule of your own cannot be written into a file; give it to TrainingSession.create as its optimizer',
    );
  }
  const gr = namedGr(regularizerOf(options.gr ?? 'none'));
  // Checked here; its warmup is that of the session.
  if (gr) planGr(gr, 1);
  const { variables, outputs } = tracePrediction(task, 1);
  for (const output of additionalOutputs) {
    if (!Object.hasOwn(outputs, output)) {
      throw new UserError(
        `additionalOutputs: expected outputs of the model, ${Object.keys(outputs).join(', ')}, got ${show(output)}`,
      );
    }
  }
  const roles = rolesOf(options, variables);
  const rates = ratesOf(
    options.groups,
    variables.filter((variable) => roles(variable) === 'trainable'),
  );
  const shared = {
    ...{ name, memory, roles, rates, predicts: additionalOutputs },
    ...(start.exported && { exported: start.exported }),
  };
  const source = new TaskSource(task, { ...shared, target });
  const [size = 1] = sizes;
  const manifest = source.manifestFor(size);
  const document: TrainingDocument = {
    ...{ format: 'training', version: 1, lossName, outputs: [...additionalOutputs], sizes: [...sizes] },
    ...{ target, memory, gr: gr && plain(gr), labels: start.labels ?? {}, manifest },
    ...{ recipe: start.recipe ?? null, trunk: trunkDocument(task) },
    order: inOrder(
      manifest.variables.map(({ path }) => path),
      start.order,
    ),
  };
  const trunkModel = task.trunk?.graphs[0]?.bytes();
  const trainModel = trainingFile(source, document);
  remember(trainModel, (wanted) => new TaskSource(task, { ...shared, ...wanted }));
  const parameters = source.graphs(size).parameters;
  return {
    checkpointState: joined(encodeSafetensors(weightsOf(manifest, start))),
    trainModel,
    evalModel: evaluationFile(task, manifest, lossName),
    optimizerModel: serialize(optimizerGraph({ parameters, rates, rule, weightDecayIn, target }), {
      metadata: metadataOf({
        ...{ format: 'optimizer', version: 1, named: { ...named }, learningRate, weightDecay },
        ...{ weightDecayIn, clip },
      }),
    }),
    ...(trunkModel && { trunkModel }),
  };
}

function inOrder(paths: readonly string[], first: readonly string[] = []): string[] {
  const known = first.filter((path) => paths.includes(path));
  return [...known, ...paths.filter((path) => !known.includes(path))];
}

function trunkDocument({ trunk }: Task): TrainingDocument['trunk'] {
  const [graph, ...others] = trunk?.graphs ?? [];
  if (!trunk || !graph) return null;
  if (others.length > 0) throw new UserError('task: trunk: expected one graph for a session, got several');
  const fields = Object.entries(trunk.fields).map(([name, { dtype, shape }]) => [
    name,
    { dtype, shape: [...shape] },
  ]);
  return {
    fields: Object.fromEntries(fields),
    inputs: { ...graph.inputs },
    outputs: { ...graph.outputs },
    ...(graph.batch !== undefined && { batch: graph.batch }),
  };
}

function sizesOf(batchSize: ArtifactOptions['batchSize'] = 32): readonly number[] {
  const sizes = typeof batchSize === 'number' ? [batchSize] : [...batchSize];
  if (sizes.length === 0) throw new UserError('batchSize: expected at least one, got none');
  for (const size of sizes) expectNumber('batchSize', size, { min: 1, isInteger: true });
  return sizes;
}

/** Without what is undefined, which JSON does not keep. */
function plain(choice: NamedRegularizer): NonNullable<TrainingDocument['gr']> {
  const { warmup, lambda, r, alpha, mix } = choice;
  return {
    kind: kindOf(choice),
    ...(warmup !== undefined && { warmup }),
    ...(lambda !== undefined && { lambda }),
    ...(r !== undefined && { r }),
    ...(alpha !== undefined && { alpha }),
    ...(mix !== undefined && { mix }),
  };
}

/** The roles of variables. Throws UserError where a pattern finds none, or nothing is left to train. */
function rolesOf(
  { trainable, frozen }: Pick<ArtifactOptions, 'trainable' | 'frozen'>,
  variables: readonly Variable[],
): (variable: Variable) => Role {
  const paths = variables.filter(({ role }) => role === 'trainable').map(({ path }) => path);
  for (const [what, pattern] of Object.entries({ trainable, frozen })) {
    if (pattern === undefined) continue;
    expectPattern(what, pattern);
    if (paths.some((path) => finds(pattern, path))) continue;
    throw new UserError(`${what}: ${pattern} finds none of the ${paths.length} parameters: ${few(paths)}`);
  }
  const isTrained = (path: string): boolean =>
    (trainable === undefined || finds(trainable, path)) && !(frozen !== undefined && finds(frozen, path));
  if (paths.length > 0 && !paths.some(isTrained))
    throw new UserError(`frozen: ${frozen} finds all parameters that are to be trained: none is left`);
  return ({ path, role }) => (role === 'trainable' && !isTrained(path) ? 'frozen' : role);
}

function few(names: readonly string[]): string {
  return names.length > 6 ? `${names.slice(0, 6).join(', ')}, …` : names.join(', ');
}

/** The graphs that a session needs for every batch size, the first of them as the file itself. */
function trainingFile(source: TaskSource, document: TrainingDocument): Uint8Array {
  const { gr, manifest, sizes } = document;
  // Exact regularization is one graph's work where that sees the whole batch, and two graphs' where it does not.
  const names: GraphName[] = gr?.kind === 'exact' ? ['gr-exact', 'loss-grad', 'hvp'] : ['loss-grad'];
  const [own = 'loss-grad'] = names;
  const [first = 1] = sizes;
  const graphs = sizes.flatMap((size) =>
    names.map((name) => [graphKey(name, size), toBase64(source.model(name, size))] as const),
  );
  const weights = manifest.terms.some(({ weighted }) => weighted)
    ? [[graphKey('weights'), toBase64(source.model('weights', first))] as const]
    : [];
  return serialize(source.graphs(first).graph(own), {
    metadata: {
      ...metadataOf(document),
      ...Object.fromEntries([...graphs, ...weights]),
      [graphKey('infer')]: toBase64(serialize(source.inference())),
    },
    doc: 'Training artifacts of ortgrad: og.TrainingSession.create({ checkpointState, trainModel, evalModel, optimizerModel }).',
  });
}

function evaluationFile(task: Task, manifest: Manifest, lossName: string): Uint8Array {
  return serialize(evaluationGraph(task, { predicts: true }), {
    metadata: metadataOf({
      ...{ format: 'evaluation', version: 1, lossName },
      terms: describeEvaluation(task).terms,
      outputs: Object.fromEntries(
        Object.entries(manifest.outputs).map(([name, { dtype, shape }]) => [name, { dtype, shape }]),
      ),
    }),
  });
}

/** Every variable with what it begins with. Throws UserError for weights of no variable, or of another size. */
function weightsOf({ variables }: Manifest, { weights = new Map(), seed = 0 }: TaskStart): NamedTensor[] {
  for (const [path, { length }] of weights) {
    const variable = variables.find((each) => each.path === path);
    if (variable && sizeOf(variable.shape) === length) continue;
    throw new UserError(
      `weights: ${path}: expected ${variable ? `${sizeOf(variable.shape)} numbers` : 'a variable of the task'}, got ${variable ? length : path}`,
    );
  }
  return variables.map(({ path, shape, init }) => {
    const data = new Float32Array(sizeOf(shape));
    const given = weights.get(path);
    if (given) data.set(given);
    else initialize(data, path, shape, init, seed);
    return { name: path, shape, data };
  });
}
