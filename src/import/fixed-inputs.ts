/** Inputs of a file that are always the same number: a sampling rate, the zeros that a state starts from. */
import { bytesOf } from '../bytes.ts';
import { UserError } from '../errors.ts';
import { DATA_TYPES } from '../onnx/encoding.ts';
import { ATTRIBUTE_TYPES, type AttributeProto, intAttribute, type NodeProto } from '../onnx/proto.ts';
import { inlineFunctions } from './inline-functions.ts';
import { ordered } from './node-order.ts';
import { type Declared, type OnnxModel, showType } from './onnx-model.ts';

/** The number that every element of an input is, by the input's name. */
export type FixedInputs = Readonly<Record<string, number>>;

/**
 * The model without these inputs: nodes fill tensors of their shapes. A size that such an input leaves open is that of the
 * same name in an input that stays, else the batch. Throws UserError for a name that is no input's, and where no input
 * stays.
 */
export function withFixedInputs(model: OnnxModel, fixed: FixedInputs): OnnxModel {
  const names = Object.keys(fixed);
  if (names.length === 0) return model;
  const inputs = model.inputs.filter(({ name }) => !Object.hasOwn(fixed, name));
  const unknown = names.find((name) => !model.inputs.some((input) => input.name === name));
  if (unknown !== undefined || inputs.length === 0) {
    const all = model.inputs.map(({ name }) => name).join(', ');
    throw new UserError(
      `import: fix: expected some of the inputs ${all}, not all, got ${unknown ?? names.join(', ')}`,
    );
  }
  const filling = model.inputs.flatMap((input) =>
    Object.hasOwn(fixed, input.name) ? filled(input, fixed[input.name] ?? 0, inputs) : [],
  );
  const made = inlineFunctions({ ...model.proto, graph: { ...model.proto.graph, node: filling } });
  const given = new Set([
    ...inputs.map(({ name }) => name),
    ...model.initializers.keys(),
    ...model.sparse.keys(),
  ]);
  return { ...model, inputs, nodes: ordered([...made, ...model.nodes], given) };
}

/** An attribute of one tensor, `value`, as Constant and ConstantOfShape have it. */
function value(data: BigInt64Array | Float32Array, dims: number[]): AttributeProto[] {
  const dataType = DATA_TYPES[data instanceof Float32Array ? 'float32' : 'int64'];
  const t = { name: '', dims, dataType, rawData: bytesOf(data) };
  return [{ name: 'value', type: ATTRIBUTE_TYPES.tensor, t }];
}

/** The nodes that give an input's tensor, filled with a number. */
function filled(input: Declared, number: number, others: readonly Declared[]): NodeProto[] {
  const { name, shape, dataType } = input;
  const [first] = others;
  if (!shape || !first)
    throw new UserError(`import: fix: ${name}: expected an input of known rank, got ${showType(input)}`);
  const nodes: NodeProto[] = [];
  const add = (
    opType: string,
    inputs: string[],
    attribute: AttributeProto[],
    output = `${name}#${nodes.length}`,
  ) => {
    nodes.push({ name: output, opType, domain: '', input: inputs, output: [output], attribute });
    return output;
  };
  const list = (...numbers: number[]): string =>
    add('Constant', [], value(BigInt64Array.from(numbers, BigInt), [numbers.length]));
  const sizes = shape.map((dim) => {
    if (typeof dim === 'number') return list(dim);
    const same = others.find((other) => dim !== undefined && other.shape?.includes(dim)) ?? first;
    const axis = Math.max(0, same.shape?.indexOf(dim) ?? 0);
    return add('Gather', [add('Shape', [same.name], []), list(axis)], [intAttribute('axis', 0)]);
  });
  const dims = sizes.length === 0 ? list() : add('Concat', sizes, [intAttribute('axis', 0)]);
  const data = Number.isInteger(number) ? BigInt64Array.of(BigInt(number)) : Float32Array.of(number);
  add('Cast', [add('ConstantOfShape', [dims], value(data, [1]))], [intAttribute('to', dataType)], name);
  return nodes;
}
