/**
 * A convolution's products by ONNX Runtime's own Conv and ConvTranspose, which want channels first, between
 * transpositions from and to channels last: what a network of ours would have to do to use them.
 */
import { IR_VERSION, OPSET } from '../../src/onnx/encoding.ts';
import { ATTRIBUTE_TYPES, type AttributeProto, encodeModel, type NodeProto } from '../../src/onnx/proto.ts';

export interface NativeConvolution {
  readonly batch: number;
  readonly side: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride: number;
  readonly groups: number;
}

/** ONNX bytes: `x` or `ct` with channels last, and `kernel` [rows, columns, in/groups, out] → `y` or `dx`. */
export function nativeProduct(layer: NativeConvolution, product: 'forward' | 'image'): Uint8Array {
  const { batch, side, inputs, outputs, kernel, stride, groups } = layer;
  const padding = (kernel - 1) / 2;
  const after = Math.floor((side + 2 * padding - kernel) / stride) + 1;
  const image = [batch, side, side, inputs];
  const result = [batch, after, after, outputs];
  const isForward = product === 'forward';
  const [from, to] = isForward ? (['x', 'y'] as const) : (['ct', 'dx'] as const);
  // How far the last window ends before the image does: ConvTranspose would leave these rows out.
  const rest = side + 2 * padding - kernel - (after - 1) * stride;
  const moves = [
    ints('strides', [stride, stride]),
    ints('pads', [padding, padding, padding, padding]),
    int('group', groups),
    ...(isForward ? [] : [ints('output_padding', [rest, rest])]),
  ];
  return encodeModel({
    irVersion: IR_VERSION,
    producerName: 'ortgrad',
    producerVersion: '',
    opsetImport: [{ domain: '', version: OPSET }],
    metadataProps: [],
    graph: {
      name: product,
      node: [
        node('Transpose', [from], 'first', [ints('perm', [0, 3, 1, 2])]),
        node('Transpose', ['kernel'], 'weights', [ints('perm', [3, 2, 0, 1])]),
        node(isForward ? 'Conv' : 'ConvTranspose', ['first', 'weights'], 'product', moves),
        node('Transpose', ['product'], to, [ints('perm', [0, 2, 3, 1])]),
      ],
      initializer: [],
      input: [
        tensor(from, isForward ? image : result),
        tensor('kernel', [kernel, kernel, inputs / groups, outputs]),
      ],
      output: [tensor(to, isForward ? result : image)],
    },
  });
}

function node(opType: string, input: string[], output: string, attribute: AttributeProto[]): NodeProto {
  return { name: output, opType, domain: '', input, output: [output], attribute };
}

const ints = (name: string, numbers: number[]): AttributeProto => ({
  name,
  type: ATTRIBUTE_TYPES.ints,
  ints: numbers,
});
const int = (name: string, number: number): AttributeProto => ({
  name,
  type: ATTRIBUTE_TYPES.int,
  i: number,
});

function tensor(name: string, shape: readonly number[]) {
  return {
    name,
    type: { tensorType: { elemType: 1, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
  };
}
