/**
 * What ONNX's operators meant in earlier opsets, in the form of the newest: attributes that became inputs, other default
 * values, operators of other names. By the changelog of onnx/onnx, docs/Changelog.md. What is not here means the same in
 * all opsets, or is told apart by its inputs and attributes.
 */
import { bytesOf } from '../bytes.ts';
import { DATA_TYPES } from '../onnx/encoding.ts';
import {
  ATTRIBUTE_TYPES,
  type AttributeProto,
  intAttribute,
  type NodeProto,
  type TensorProto,
} from '../onnx/proto.ts';
import type { OnnxNode } from './onnx-node.ts';

/** A node in its new form, or several that do the same. `constants` gets what stood in attributes. */
type Rewritten = (node: OnnxNode, constants: TensorProto[]) => OnnxNode | readonly OnnxNode[];
type ToOne = (node: OnnxNode, constants: TensorProto[]) => OnnxNode;

/** How a node is rewritten whose opset is older than `before`. */
interface Change {
  readonly before: number;
  readonly to: Rewritten;
}

/** A constant of the file, under a name that no file has. */
function constant(
  node: OnnxNode,
  name: string,
  data: Float32Array | BigInt64Array,
  isScalar = false,
): TensorProto {
  return {
    name: `${node.name}#${name}`,
    dims: isScalar ? [] : [data.length],
    dataType: DATA_TYPES[data instanceof Float32Array ? 'float32' : 'int64'],
    rawData: bytesOf(data),
  };
}

/** The numbers of an attribute, one or a list, as a tensor. Undefined where the node does not have it. */
function tensorOf(node: OnnxNode, name: string): TensorProto | undefined {
  const attribute = node.attributes.get(name);
  if (!attribute) return undefined;
  const { type, t, f = 0, i = 0, floats = [], ints = [] } = attribute;
  if (t) return { ...t, name: `${node.name}#${name}` };
  if (type === ATTRIBUTE_TYPES.float) return constant(node, name, Float32Array.of(f), true);
  if (type === ATTRIBUTE_TYPES.floats) return constant(node, name, Float32Array.from(floats));
  if (type === ATTRIBUTE_TYPES.int) return constant(node, name, BigInt64Array.of(BigInt(i)));
  return constant(
    node,
    name,
    BigInt64Array.from(ints, (x) => BigInt(x)),
  );
}

/** Attributes that became inputs, by the input's place. A place of −1 drops the attribute. */
const toInputs =
  (places: Readonly<Record<string, number>>): ToOne =>
  (node, constants) => {
    const inputs = [...node.inputs];
    const attributes = new Map(node.attributes);
    for (const [name, place] of Object.entries(places)) {
      const found = tensorOf(node, name);
      attributes.delete(name);
      if (!found || place < 0) continue;
      while (inputs.length <= place) inputs.push('');
      inputs[place] = found.name;
      constants.push(found);
    }
    return { ...node, inputs, attributes };
  };

const text = (name: string, s: string): AttributeProto => ({
  name,
  type: ATTRIBUTE_TYPES.string,
  s: new TextEncoder().encode(s),
});

/** Attributes where the node has none. */
const withDefaults =
  (...defaults: readonly AttributeProto[]): Rewritten =>
  (node) => ({
    ...node,
    attributes: new Map([...defaults.map((each) => [each.name, each] as const), ...node.attributes]),
  });

/** Resize as opset 10 meant it, and Upsample, which had scales only: it counts from the corners and takes the pixel before. */
const scaled = (node: OnnxNode): OnnxNode => {
  const [x = '', scales = ''] = node.inputs;
  const fixed = [text('coordinate_transformation_mode', 'asymmetric'), text('nearest_mode', 'floor')];
  const attributes = new Map([...node.attributes, ...fixed.map((each) => [each.name, each] as const)]);
  return { ...node, op: 'Resize', inputs: [x, '', scales], attributes };
};

/** A node that an adapter adds to `node`. */
function added(
  node: OnnxNode,
  op: string,
  inputs: readonly string[],
  output: string,
  given: readonly AttributeProto[] = [],
): OnnxNode {
  const proto: NodeProto = { ...node.proto, opType: op, attribute: [...given] };
  const attributes = new Map(given.map((each) => [each.name, each] as const));
  return { ...node, name: output, op, inputs, outputs: [output], attributes, captured: [], proto };
}

/** Softmax and its like took all axes from `axis` on as one. */
const flattened: Rewritten = (node) => {
  const axis = node.attributes.get('axis')?.i ?? 1;
  if (axis === -1) return node;
  const [x = ''] = node.inputs;
  const [output = ''] = node.outputs;
  const [flat, shape, found] = ['flat', 'shape', 'result'].map((part) => `${node.name}#${part}`);
  return [
    added(node, 'Flatten', [x], flat ?? '', [intAttribute('axis', axis)]),
    { ...added(node, node.op, [flat ?? ''], found ?? '', [intAttribute('axis', 1)]), name: node.name },
    added(node, 'Shape', [x], shape ?? ''),
    added(node, 'Reshape', [found ?? '', shape ?? ''], output),
  ];
};

/** Only the result: the running statistics that training files also gave are ours to compute. */
const firstOutput: Rewritten = (node) => ({ ...node, outputs: node.outputs.slice(0, 1) });

const AXES: Change = { before: 18, to: toInputs({ axes: 1 }) };
const AXES_13: Change = { before: 13, to: toInputs({ axes: 1 }) };
const FLAT: Change = { before: 13, to: flattened };

const CHANGES: Readonly<Record<string, readonly Change[]>> = {
  BatchNormalization: [{ before: 14, to: firstOutput }],
  Clip: [{ before: 11, to: toInputs({ min: 1, max: 2 }) }],
  Concat: [{ before: 4, to: withDefaults(intAttribute('axis', 1)) }],
  // Not a change: a tensor among the attributes is read as an input everywhere here.
  ConstantOfShape: [{ before: Number.POSITIVE_INFINITY, to: toInputs({ value: 1 }) }],
  Dropout: [{ before: 12, to: toInputs({ ratio: 1, is_test: -1 }) }],
  Hardmax: [FLAT],
  LogSoftmax: [FLAT],
  Pad: [
    { before: 2, to: (node) => ({ ...node, attributes: renamed(node, 'paddings', 'pads') }) },
    { before: 11, to: toInputs({ pads: 1, value: 2 }) },
  ],
  ReduceL1: [AXES],
  ReduceL2: [AXES],
  ReduceLogSum: [AXES],
  ReduceLogSumExp: [AXES],
  ReduceMax: [AXES],
  ReduceMean: [AXES],
  ReduceMin: [AXES],
  ReduceProd: [AXES],
  ReduceSum: [AXES_13],
  ReduceSumSquare: [AXES],
  Reshape: [{ before: 5, to: toInputs({ shape: 1, consumed_inputs: -1 }) }],
  Resize: [{ before: 11, to: scaled }],
  Slice: [{ before: 10, to: toInputs({ starts: 1, ends: 2, axes: 3 }) }],
  Softmax: [FLAT],
  Split: [{ before: 13, to: toInputs({ split: 1 }) }],
  Squeeze: [AXES_13],
  TopK: [{ before: 10, to: toInputs({ k: 1 }) }],
  Unsqueeze: [AXES_13],
  Upsample: [
    { before: 9, to: toInputs({ scales: 1 }) },
    { before: Number.POSITIVE_INFINITY, to: scaled },
  ],
};

function renamed({ attributes }: OnnxNode, from: string, to: string): ReadonlyMap<string, AttributeProto> {
  return new Map(
    [...attributes].map(([name, each]) => (name === from ? [to, { ...each, name: to }] : [name, each])),
  );
}

/**
 * The nodes as the newest opset would have them. What stood in attributes is in `constants`, under the names by which the
 * nodes ask for it.
 */
export function inNewestForm(nodes: readonly OnnxNode[]): {
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly TensorProto[];
} {
  const constants: TensorProto[] = [];
  const adapted = nodes.flatMap((node): readonly OnnxNode[] => {
    if (node.domain !== '' || !Object.hasOwn(CHANGES, node.op)) return [node];
    let now: readonly OnnxNode[] = [node];
    for (const { before, to } of CHANGES[node.op] ?? []) {
      if (node.version < before) now = now.flatMap((each) => to(each, constants));
    }
    return now;
  });
  return { nodes: adapted, constants };
}
