/** A classifier with another number of classes: its last layer anew, from random numbers. Pure: also for browsers. */
import { UserError } from '../errors.ts';
import { encodeAgain, type TensorProto, type ValueInfoProto } from '../onnx/proto.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { Random } from '../random.ts';
import { decodeTensor } from './decode-tensor.ts';
import { withValues } from './export.ts';
import type { OnnxModel } from './onnx-model.ts';
import type { OnnxNode } from './onnx-node.ts';

/** Operators between the last layer and the output that do with any number of classes. */
const AFTERWARDS = new Set([
  ...[
    'Softmax',
    'LogSoftmax',
    'Sigmoid',
    'Identity',
    'Flatten',
    'Squeeze',
    'Reshape',
    'Cast',
    'Dropout',
    'Relu',
  ],
  ...['GlobalAveragePool', 'AveragePool', 'ReduceMean'],
]);

const SEED = 0;

/**
 * The bytes of the file whose `output` (the first by default) has `classes` numbers: the weight of its last layer becomes
 * uniform in ±1/√in, as PyTorch's `Linear` begins, and its bias 0. Throws UserError where the output comes of no product
 * with a weight of its own.
 */
export function withNewHead(model: OnnxModel, classes: number, output = model.outputs[0] ?? ''): Uint8Array {
  const { layer, bias, after } = lastLayer(model, output);
  const weight = layer.inputs[1] ?? '';
  const tensor = expectOwn(model, weight, layer);
  const axis = axisOf(layer);
  const old = tensor.dims[axis] ?? 0;
  const resized = (dims: readonly number[], at: number): number[] =>
    dims.map((dim, i) => (i === at ? classes : dim));
  const dims = resized(tensor.dims, axis);
  const random = new Random(SEED, 'init', classes);
  const limit = Math.sqrt(classes / sizeOf(dims));
  const numbers = Float32Array.from({ length: sizeOf(dims) }, () => limit * (2 * random.uniform() - 1));
  const replaced = new Map([[weight, withValues({ ...tensor, dims }, numbers)]]);
  if (bias !== undefined) {
    const found = expectOwn(model, bias, layer);
    const biasDims = resized(found.dims, found.dims.length - 1);
    replaced.set(bias, withValues({ ...found, dims: biasDims }, new Float32Array(sizeOf(biasDims))));
  }
  for (const node of after) {
    const shape = node.op === 'Reshape' ? model.initializers.get(node.inputs[1] ?? '') : undefined;
    if (shape) replaced.set(shape.name, withSize(shape, old, classes));
  }
  const { graph } = model.proto;
  const computed = new Set([layer, ...after].flatMap(({ outputs }) => outputs));
  return encodeAgain({
    ...model.proto,
    graph: {
      ...graph,
      initializer: graph.initializer.map((each) => replaced.get(each.name) ?? each),
      valueInfo: (graph.valueInfo ?? []).filter(({ name }) => !computed.has(name)),
      output: graph.output.map((each) => (computed.has(each.name) ? withDim(each, old, classes) : each)),
    },
  });
}

/** The names of the weight and bias of the last layer that `output` comes of. Throws UserError as `withNewHead` does. */
export function headParameters(model: OnnxModel, output = model.outputs[0] ?? ''): readonly string[] {
  const { layer, bias } = lastLayer(model, output);
  return [layer.inputs[1] ?? '', ...(bias === undefined ? [] : [bias])];
}

interface LastLayer {
  readonly layer: OnnxNode;
  readonly bias: string | undefined;
  /** From the layer to the output. */
  readonly after: readonly OnnxNode[];
}

function lastLayer({ nodes, initializers }: OnnxModel, output: string): LastLayer {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const after: OnnxNode[] = [];
  let bias: string | undefined;
  for (let node = makers.get(output); node; ) {
    const [first = '', second = ''] = node.inputs;
    if (node.domain === '' && ['Gemm', 'MatMul', 'Conv'].includes(node.op) && initializers.has(second)) {
      const own = node.op === 'MatMul' ? undefined : node.inputs[2];
      return { layer: node, bias: own === '' ? bias : (own ?? bias), after };
    }
    after.push(node);
    if (node.op === 'Add' && node.domain === '') {
      const isFirst = initializers.has(first);
      bias = isFirst ? first : second;
      node = makers.get(isFirst ? second : first);
    } else node = AFTERWARDS.has(node.op) ? makers.get(first) : undefined;
  }
  const last = after.at(-1);
  throw new UserError(
    `--classes: expected ${output} to come of a last layer with a weight (Gemm, MatMul or Conv), got ${last ? `${last.op} ${last.name}` : 'none'}; change the model where it was made`,
  );
}

function axisOf({ op, attributes }: OnnxNode): number {
  if (op === 'Conv') return 0;
  return op === 'Gemm' && attributes.get('transB')?.i === 1 ? 0 : 1;
}

function expectOwn({ nodes, initializers }: OnnxModel, name: string, layer: OnnxNode): TensorProto {
  const tensor = initializers.get(name);
  const users = nodes.filter(({ inputs }) => inputs.includes(name));
  if (tensor && users.length === 1) return tensor;
  throw new UserError(
    `--classes: expected ${name} to be a tensor of the last layer ${layer.name} alone, got one that ${users.length} nodes use; change the model where it was made`,
  );
}

/** The sizes of a Reshape with another number of classes. */
function withSize(tensor: TensorProto, old: number, classes: number): TensorProto {
  const { data } = decodeTensor(tensor, tensor.name);
  const sizes = BigInt64Array.from(Array.from(data, Number), (size) => BigInt(size === old ? classes : size));
  return {
    name: tensor.name,
    dims: tensor.dims,
    dataType: tensor.dataType,
    rawData: new Uint8Array(sizes.buffer),
  };
}

function withDim(value: ValueInfoProto, old: number, classes: number): ValueInfoProto {
  const tensorType = value.type?.tensorType;
  if (!value.type || !tensorType?.shape) return value;
  const dim = tensorType.shape.dim.map((each) => (each.dimValue === old ? { dimValue: classes } : each));
  return { ...value, type: { ...value.type, tensorType: { ...tensorType, shape: { dim } } } };
}
