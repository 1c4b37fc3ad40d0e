/**
 * Low-rank adapters (Hu et al., *LoRA*, ICLR 2022): to a product with a frozen weight W comes (α/r)·B·A of the same size,
 * of which only A [r, in] and B [out, r] train. They lie as PEFT's do, [out, in] and for a convolution
 * A [r, in, rows, columns] and B [out, r, 1, 1], whichever way round the file keeps W.
 */
import { UserError } from '../errors.ts';
import type { Scope } from '../layers/scope.ts';
import { add, mul, transpose } from '../onnx/ops.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { toChannelsFirst, toChannelsLast } from './entry.ts';
import type { Call, Lowering } from './lower/lowering.ts';
import type { OnnxModel } from './onnx-model.ts';
import type { OnnxNode } from './onnx-node.ts';
import type { ChannelsLast, Lowered } from './tensor.ts';

/** Which nodes get adapters, and how large those are. */
export interface LoraOptions {
  /** Finds a module, a node or an initializer by its name. */
  readonly target: RegExp;
  /** Rows of A. */
  readonly rank: number;
  /** The product of the adapter is multiplied by alpha / rank. */
  readonly alpha: number;
}

/** An adapter of one weight. Nodes that share the weight share the adapter. */
export interface Adapter {
  /** The initializer that holds W, or its quantized numbers. */
  readonly weight: string;
  /** The module's path, as PyTorch names it: `encoder.layer.0.attention.self.query`. */
  readonly module: string;
  /** The operator that it is of. */
  readonly op: 'MatMul' | 'Gemm' | 'Conv';
  /** Of W, as the file keeps it. */
  readonly weightShape: readonly number[];
  /** Of A and B. */
  readonly shapes: { readonly a: readonly number[]; readonly b: readonly number[] };
  /** Whether the file keeps W as [in, out], so that A and B change places when they are merged. */
  readonly isTransposed: boolean;
  /** What W is made of: itself, or numbers of 8 or 4 bits. The tensor that W is once they are dequantized. */
  readonly dequantized: string | undefined;
  readonly scale: number;
}

/** The paths of an adapter's variables. */
export function adapterPaths({ weight }: Pick<Adapter, 'weight'>): {
  readonly a: string;
  readonly b: string;
} {
  return { a: `${weight}/lora_A`, b: `${weight}/lora_B` };
}

/** The adapters of a model, by the name of the node. Throws UserError where the pattern finds no product with a weight. */
export function adaptersOf(
  model: Pick<OnnxModel, 'nodes' | 'initializers'>,
  { target, rank, alpha }: LoraOptions,
): ReadonlyMap<string, Adapter> {
  const makers = new Map(model.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const candidates = model.nodes.flatMap((node) => {
    const found = weightOf(node, model, makers);
    return found ? [{ node, ...found, module: moduleOf(found.weight, node) }] : [];
  });
  const matching = candidates.filter(
    ({ node, weight, module }) => target.test(module) || target.test(node.name) || target.test(weight),
  );
  if (matching.length === 0) {
    const names = candidates.map(({ module }) => module);
    const shown = names.length > 6 ? `${names.slice(0, 6).join(', ')}, …` : names.join(', ');
    throw new UserError(
      `--lora ${target.source}: finds none of the ${candidates.length} products with a weight${names.length > 0 ? `; their names are ${shown}` : ''}`,
    );
  }
  const adapters = new Map<string, Adapter>();
  for (const { node, ...found } of matching) {
    const adapter = adapterOf(node, found, rank, alpha / rank);
    const known = [...adapters.values()].find(({ weight }) => weight === adapter.weight);
    adapters.set(node.name, known ?? adapter);
  }
  return adapters;
}

interface FoundWeight {
  readonly weight: string;
  readonly shape: readonly number[];
  readonly isTransposed: boolean;
  readonly dequantized: string | undefined;
}

const PRODUCTS = { MatMul: 'MatMul', Gemm: 'Gemm', Conv: 'Conv' } as const;

function isProduct(op: string): op is keyof typeof PRODUCTS {
  return op in PRODUCTS;
}

/** The initializer that a node multiplies with; undefined where it is no such node. */
function weightOf(
  node: OnnxNode,
  { initializers }: Pick<OnnxModel, 'initializers'>,
  makers: ReadonlyMap<string, OnnxNode>,
): FoundWeight | undefined {
  const [, operand = ''] = node.inputs;
  if (node.domain !== '' || !isProduct(node.op)) return undefined;
  let [name, isTurned, dequantized]: [string, boolean, string | undefined] = [operand, false, undefined];
  for (let maker = makers.get(name); maker; maker = makers.get(name)) {
    if (maker.op === 'DequantizeLinear') dequantized = name;
    else if (maker.op === 'Transpose' && isSwap(maker)) isTurned = !isTurned;
    else if (maker.op !== 'Identity') return undefined;
    name = maker.inputs[0] ?? '';
  }
  const shape = initializers.get(name)?.dims;
  const rank = node.op === 'Conv' ? 4 : 2;
  if (shape?.length !== rank) return undefined;
  const turnsItself = node.op === 'Gemm' && node.attributes.get('transB')?.i === 1;
  const isTransposed = node.op !== 'Conv' && turnsItself === isTurned;
  return { weight: name, shape, isTransposed, dequantized };
}

function isSwap({ attributes }: OnnxNode): boolean {
  const order = attributes.get('perm')?.ints ?? [];
  return order.length === 0 || String(order.map(Number)) === '1,0';
}

/**
 * `encoder.layer.0.query` from `encoder.layer.0.query.weight` or, where an exporter has renamed the weight, from the
 * node `/encoder/layer.0/query/MatMul`.
 */
function moduleOf(weight: string, node: OnnxNode): string {
  const own = /^(.+)\.(?:weight|kernel)(?:_quantized|_q4|_transposed)?$/.exec(weight)?.[1];
  if (own !== undefined) return own;
  const scope = /^\/(.+)\/[^/]+$/.exec(node.name)?.[1];
  return scope?.replaceAll('/', '.') ?? weight;
}

function adapterOf(
  node: OnnxNode,
  { shape, ...found }: FoundWeight & { readonly module: string },
  rank: number,
  scale: number,
): Adapter {
  const op = isProduct(node.op) ? node.op : 'MatMul';
  if (op === 'Conv') {
    const groups = Number(node.attributes.get('group')?.i ?? 1);
    if (groups !== 1) {
      throw new UserError(
        `--lora: ${node.name} is a convolution in ${groups} groups, which has no adapter; choose a pattern that leaves it out`,
      );
    }
    const [out = 1, ...rest] = shape;
    return { ...found, weightShape: shape, op, scale, shapes: { a: [rank, ...rest], b: [out, rank, 1, 1] } };
  }
  const [out = 1, inputs = 1] = found.isTransposed ? [...shape].reverse() : shape;
  return { ...found, weightShape: shape, op, scale, shapes: { a: [rank, inputs], b: [out, rank] } };
}

/**
 * A in the scope as PEFT starts it, with the variance of `kaiming_uniform_(a=√5)`, 1 / (3·in), though normal; B as zeros,
 * so that the model starts as it was.
 */
export function adapterVariables(scope: Scope, { weight, shapes: { a, b } }: Adapter): AdapterValues {
  const own = scope.sub(weight);
  const inputs = sizeOf(a.slice(1));
  return {
    a: own.param('lora_A', a, { kind: 'normal', std: Math.sqrt(1 / (3 * inputs)) }),
    b: own.param('lora_B', b, { kind: 'zeros' }),
  };
}

/** The values of an adapter's variables. */
export interface AdapterValues {
  readonly a: Value;
  readonly b: Value;
}

/**
 * A node with its adapter: `lower` lowers the node itself, `product` MatMul. For Gemm, with its own factor `alpha`; where
 * that transposes its first operand, it has no adapter, which throws UserError.
 */
export function lowerAdapted(
  call: Call,
  { scale, op }: Adapter,
  { a, b }: AdapterValues,
  lower: Lowering,
  product: Lowering | undefined,
): readonly Lowered[] {
  const [base, ...others] = lower(call);
  if (!base || 'data' in base) throw call.error('expected a product that is computed from the data');
  if (op === 'Conv') {
    const [low] = lower(convolving(call, call, a));
    if (!low || 'data' in low) throw call.error('expected a convolution that is computed from the data');
    const [up] = lower(pointwise(call, low, b));
    if (!up || 'data' in up) throw call.error('expected a convolution that is computed from the data');
    return [sum(base, up, scale), ...others];
  }
  if (call.attributes.int('transA', 0) !== 0)
    throw call.error(
      'has a first operand that is transposed: it can have no adapter; leave it out of --lora',
    );
  if (!product) throw new Error('internal: no lowering of MatMul');
  const factor = op === 'Gemm' ? scale * call.attributes.float('alpha', 1) : scale;
  const x = call.value(0);
  const [low] = product(multiplying(call, x, transpose(a, [1, 0])));
  if (!low || !isPlain(low)) throw call.error('expected a product that is computed from the data');
  const [up] = product(multiplying(call, low, transpose(b, [1, 0])));
  if (!up || 'data' in up) throw call.error('expected a product that is computed from the data');
  return [sum(base, up, factor), ...others];
}

function isPlain(lowered: Lowered): lowered is Value {
  return 'node' in lowered;
}

function sum(base: Value | ChannelsLast, up: Value | ChannelsLast, scale: number): Lowered {
  if ('channelsLast' in base && 'channelsLast' in up)
    return { channelsLast: add(base.channelsLast, mul(up.channelsLast, scale)) };
  return add(plain(base), mul(plain(up), scale));
}

/** As ONNX means it. */
function plain(lowered: Value | ChannelsLast): Value {
  return 'channelsLast' in lowered ? toChannelsFirst(lowered.channelsLast) : lowered;
}

const NO_ATTRIBUTES: Call['attributes'] = {
  has: () => false,
  int: (_name, otherwise) => otherwise,
  float: (_name, otherwise) => otherwise,
  text: (_name, otherwise) => otherwise,
  ints: () => undefined,
  floats: () => undefined,
  texts: () => undefined,
};

/** A call with two operands: the first as `first` gives it, the second the value `weight`. */
function withOperands(
  call: Call,
  op: string,
  attributes: Call['attributes'],
  first: Pick<Call, 'value' | 'channelsLast' | 'isChannelsLast' | 'shape' | 'dtype'>,
  weight: Value,
): Call {
  const of = <T>(input: number, one: () => T, other: T): T => {
    if (input === 0) return one();
    if (input === 1) return other;
    throw call.error(`has no input ${input}`);
  };
  const value = (input: number): Value => of(input, () => first.value(0), weight);
  return {
    ...{ op, domain: '', attributes, inputs: 2, outputs: 1, training: call.training, scope: call.scope },
    examples: () => call.examples(),
    has: (input) => input < 2,
    value,
    optional: (input) => (input < 2 ? value(input) : undefined),
    channelsLast: (input) => of(input, () => first.channelsLast(0), weight),
    isChannelsLast: (input) => of(input, () => first.isChannelsLast(0), false),
    dtype: (input) => of(input, () => first.dtype(0), weight.dtype),
    shape: (input) => of(input, () => first.shape(0), weight.shape),
    known: () => undefined,
    list: () => undefined,
    numbers: () => undefined,
    error: (problem) => call.error(problem),
  };
}

/** The convolution itself with another kernel, and without its bias. */
function convolving(call: Call, first: Call, kernel: Value): Call {
  return withOperands(call, 'Conv', call.attributes, first, kernel);
}

/** A convolution of single places. */
function pointwise(call: Call, x: Value | ChannelsLast, kernel: Value): Call {
  const isLast = 'channelsLast' in x;
  const value = (): Value => plain(x);
  const last = (): Value => (isLast ? x.channelsLast : toChannelsLast(x));
  const first = {
    ...{ value, channelsLast: last, isChannelsLast: () => isLast },
    shape: () => value().shape,
    dtype: () => value().dtype,
  };
  return withOperands(call, 'Conv', NO_ATTRIBUTES, first, kernel);
}

function multiplying(call: Call, x: Value, weight: Value): Call {
  const first = {
    ...{ value: () => x, channelsLast: () => x, isChannelsLast: () => false },
    ...{ shape: () => x.shape, dtype: () => x.dtype },
  };
  return withOperands(call, 'MatMul', NO_ATTRIBUTES, first, weight);
}

/** (α/r)·B·A in the layout in which the file keeps W, from the numbers of A and B. */
export function adapterProduct(
  { shapes, scale, isTransposed }: Pick<Adapter, 'shapes' | 'scale' | 'isTransposed'>,
  a: Float32Array,
  b: Float32Array,
): Float32Array {
  const [rank = 1] = shapes.a;
  const [out = 1] = shapes.b;
  const inputs = sizeOf(shapes.a.slice(1));
  const product = new Float32Array(out * inputs);
  const row = new Float64Array(inputs);
  for (let o = 0; o < out; o++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = scale * (b[o * rank + r] ?? 0);
      for (let i = 0; i < inputs; i++) row[i] = (row[i] ?? 0) + factor * (a[r * inputs + i] ?? 0);
    }
    if (isTransposed) for (let i = 0; i < inputs; i++) product[i * out + o] = row[i] ?? 0;
    else product.set(row, o * inputs);
  }
  return product;
}
