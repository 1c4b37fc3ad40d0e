/** A task from an ONNX file of somebody else's: which data its inputs get, and what the loss is of. */
import { UserError } from '../errors.ts';
import type { ImportedModel } from '../import/import-model.ts';
import { Scope } from '../layers/scope.ts';
import { binaryCrossEntropy } from '../losses/binary-cross-entropy.ts';
import type { LossName } from '../losses/names.ts';
import { binaryAccuracy } from '../metrics/classification.ts';
import { fieldOf } from '../metrics/names.ts';
import { cast, identity, input, reshape } from '../onnx/ops.ts';
import { serialize } from '../onnx/serialize.ts';
import { show } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { classification } from './classification.ts';
import { dataOfInputs, type InputOptions, inputValue } from './imported-inputs.ts';
import { languageModel } from './language-model.ts';
import { regression } from './regression.ts';
import type { Fields, Task, Trunk, Values } from './task.ts';

/** What a file does not say of the task. */
export interface ImportedTaskOptions extends InputOptions {
  readonly loss: LossName;
  /** sha-256 of what the model was read from. */
  readonly sha256: string;
}

/**
 * The task of training an imported model. Its fields are those that the data give (`imported-inputs.ts`) or, where nothing
 * trained comes first, what that part makes of them. Throws UserError where the output does not fit the loss.
 */
export function importedTask(model: ImportedModel, options: ImportedTaskOptions): Task {
  const { loss, sha256 } = options;
  const data = dataOfInputs(model, options);
  const lowered = Object.keys(model.inputs);
  const features = Object.fromEntries(
    Object.entries(model.inputs).filter(([name]) => model.trunk?.features[name] !== undefined),
  );
  // What the graphs read of the data themselves.
  const direct = dataOfInputs({ inputs: without(model.inputs, features) }, options);
  const fields: Fields = { ...features, ...direct };
  const outputsOf = (scope: Scope, given: Values): Values =>
    model.predict(
      scope,
      Object.fromEntries(
        lowered.map((name) => [
          name,
          name in features
            ? fieldOf(given, name)
            : inputValue(name, expectField(model.inputs, name), given, options),
        ]),
      ),
    );
  const predict = (scope: Scope, given: Values): Value => chosen(outputsOf(scope, given));
  const task = LOSSES[loss]({ fields, predict, shape: shapeOf(fields, predict) });
  const targets = without(task.fields, fields);
  return {
    ...task,
    start: { sha256, values: () => model.weights() },
    ...(model.trunk && { trunk: trunkOf(model.trunk, { ...data, ...targets }, options) }),
  };
}

interface Predicting {
  readonly fields: Fields;
  readonly predict: (scope: Scope, fields: Values) => Value;
  /** Of the output, without the batch. */
  readonly shape: readonly number[];
}

/** The loss, its target and its metrics, by name. Each throws UserError where the output has another shape. */
const LOSSES: Readonly<Record<LossName, (model: Predicting) => Task>> = {
  'cross-entropy': ({ fields, predict, shape }) => {
    const [classes = 1, ...others] = shape.filter((dim) => dim !== 1);
    if (classes < 2 || others.length > 0) throw misfit('cross-entropy', '[batch, classes]', shape);
    const model: Predicting['predict'] = (scope, given) => flat(predict(scope, given), [classes]);
    return { ...classification({ fields, classes, model }), classes };
  },
  bce: ({ fields, predict, shape }) => {
    if (shape.some((dim) => dim !== 1))
      throw misfit('bce', '[batch] or [batch, 1], the logit of the second of two classes,', shape);
    return {
      fields: { ...fields, labels: { dtype: 'int32', shape: [] } },
      predict: (scope, given) => ({ logits: flat(predict(scope, given), []) }),
      loss: (outputs, given) =>
        binaryCrossEntropy(fieldOf(outputs, 'logits'), cast(fieldOf(given, 'labels'), 'bool')),
      metrics: { accuracy: binaryAccuracy() },
      lossInfo: { label: 'cross-entropy', unit: 'nats' },
      classes: 2,
    };
  },
  mse: (model) => numbers('mse', model),
  mae: (model) => numbers('mae', model),
  huber: (model) => numbers('huber', model),
  'next-token': ({ fields, predict, shape }) => {
    const [length, vocabulary, ...others] = shape;
    if (length === undefined || vocabulary === undefined || others.length > 0)
      throw misfit('next-token', '[batch, length, vocabulary]', shape);
    return languageModel({ fields, length, model: predict });
  },
};

function numbers(loss: 'mse' | 'mae' | 'huber', { fields, predict, shape }: Predicting): Task {
  const [targets = 1, ...others] = shape;
  if (others.length > 0) throw misfit(loss, '[batch] or [batch, targets]', shape);
  const own = targets === 1 ? [] : [targets];
  return regression({
    ...{ fields, loss, ...(targets > 1 && { targets }) },
    model: (scope, given) => flat(predict(scope, given), own),
  });
}

function misfit(loss: LossName, expected: string, shape: readonly number[]): UserError {
  return new UserError(
    `--loss ${loss}: expected an output ${expected} got ${show(['batch', ...shape])}; choose another output or loss`,
  );
}

/** The value as [batch, ...shape]: axes of 1 are left out. */
function flat(value: Value, shape: readonly number[]): Value {
  return reshape(value, [...value.shape.slice(0, 1), ...shape]);
}

/** The output that the file was imported for. */
function chosen(outputs: Values): Value {
  const [only] = Object.values(outputs);
  if (!only) throw new Error('internal: an imported model without an output');
  return cast(only, 'float32');
}

function shapeOf(fields: Fields, predict: Predicting['predict']): readonly number[] {
  const values = Object.entries(fields).map(([name, { dtype, shape }]) => [
    name,
    input(name, ['batch', ...shape], dtype),
  ]);
  const { shape } = predict(new Scope({ training: false }), Object.fromEntries(values));
  const [batch, ...rest] = shape;
  const sizes = rest.filter((dim) => typeof dim === 'number');
  if (batch === 'batch' && sizes.length === rest.length) return sizes;
  throw new UserError(
    `the output is ${show(shape)}: expected the batch along the first axis and known sizes after it; name another output with --output`,
  );
}

/** The trunk of a file, with what brings the data to the form of its inputs in front. */
function trunkOf(
  { inputs, features, batch, bytes }: NonNullable<ImportedModel['trunk']>,
  fields: Fields,
  options: InputOptions,
): Trunk {
  const data = dataOfInputs({ inputs }, options);
  const given = Object.fromEntries(
    Object.entries(data).map(([name, { dtype, shape }]) => [name, input(name, ['batch', ...shape], dtype)]),
  );
  const brought = Object.fromEntries(
    Object.entries(inputs).map(([name, field]) => [
      `input/${name}`,
      identity(inputValue(name, field, given, options)),
    ]),
  );
  const same = (names: Iterable<string>): Record<string, string> =>
    Object.fromEntries([...names].map((name) => [name, name]));
  return {
    fields,
    graphs: [
      {
        bytes: () => serialize({ name: 'inputs', inputs: Object.values(given), outputs: brought }),
        inputs: same(Object.keys(data)),
        outputs: same(Object.keys(brought)),
      },
      {
        bytes,
        ...(batch !== undefined && { batch }),
        inputs: Object.fromEntries(Object.keys(inputs).map((name) => [name, `input/${name}`])),
        outputs: same(Object.keys(features)),
      },
    ],
  };
}

function without(fields: Fields, others: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !(name in others)));
}

function expectField(fields: Fields, name: string): Fields[string] {
  const field = fields[name];
  if (!field) throw new Error(`internal: no input ${name}`);
  return field;
}
