/** Damaged files and files that mean harm: one clear line, without the memory that they ask for. */
import test from 'ava';
import { importModel } from '../../src/import/import-model.ts';
import type { AttributeProto, FunctionProto, NodeProto } from '../../src/onnx/proto.ts';
import { type Attribute, cnn, ELEMENTS, file, floats, info, ints, node, tensor, weight } from './_files.ts';

/** What importing says, and what it cost. */
function refused(bytes: Uint8Array, options: Parameters<typeof importModel>[1] = {}) {
  const before = process.memoryUsage().rss;
  const { message, name } = Object(thrown(() => importModel(bytes, options)));
  return { message: String(message), name: String(name), bytes: process.memoryUsage().rss - before };
}

function thrown(f: () => unknown): unknown {
  try {
    f();
    return new Error('nothing was thrown');
  } catch (error) {
    return error;
  }
}

const x = info('x', ['N', 4]);
const only = (nodes: readonly NodeProto[], initializers: Parameters<typeof file>[0]['initializers'] = []) =>
  file({ inputs: [x], nodes, outputs: ['y'], initializers });

/** One node of an op, with lists as its other inputs. */
const big = (
  op: string,
  lists: readonly (readonly number[])[],
  attributes: Readonly<Record<string, Attribute>> = {},
) =>
  only(
    [node(op, ['x', ...lists.map((_, i) => (lists[i]?.length ? `list${i}` : ''))], 'y', attributes)],
    lists.flatMap((list, i) => (list.length > 0 ? [ints(`list${i}`, ...list)] : [])),
  );

/** A message within another. */
function field(id: number, content: Uint8Array): Uint8Array {
  const head = [id * 8 + 2];
  for (let length = content.length; ; length >>>= 7) {
    head.push(length < 0x80 ? length : (length & 0x7f) | 0x80);
    if (length < 0x80) return Uint8Array.from([...head, ...content]);
  }
}

/** A file whose graph has a node that has an attribute that has a graph, and so on. Its own encoder has the limit too. */
function nested(depth: number): Uint8Array {
  let graph: Uint8Array = new Uint8Array();
  for (let i = 0; i < depth; i++) graph = field(1, field(5, field(6, graph)));
  return field(7, graph);
}

/** Functions of which each calls the one before ten times. */
function doubling(depth: number): FunctionProto[] {
  return Array.from({ length: depth }, (_, level) => ({
    name: `f${level}`,
    domain: 'own',
    input: ['a'],
    output: ['b'],
    attribute: [],
    attributeProto: [],
    opsetImport: [
      { domain: '', version: 18 },
      { domain: 'own', version: 1 },
    ],
    node: Array.from({ length: 10 }, (__, i) =>
      node(level === 0 ? 'Neg' : `own.f${level - 1}`, [i === 0 ? 'a' : `t${i}`], i === 9 ? 'b' : `t${i + 1}`),
    ),
  }));
}

const own = [{ domain: 'own', version: 1 }];
const external = (location: string, more: readonly [string, string][] = []) => ({
  ...weight('w', 4, 2),
  rawData: new Uint8Array(),
  dataLocation: 1,
  externalData: [['location', location] as const, ...more].map(([key, value]) => ({ key, value })),
});
const matmul = (w: ReturnType<typeof weight>) => only([node('MatMul', ['x', 'w'], 'y')], [w]);
const unknownType: AttributeProto = { name: 'axis', type: 2, s: new Uint8Array([1]) };

const CASES: Readonly<Record<string, readonly [Uint8Array, RegExp]>> = {
  'no bytes': [new Uint8Array(), /^import: expected an ONNX model with a graph, got other bytes$/],
  'a picture': [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a), /^import: expected an ONNX model/],
  'nodes in a circle': [
    only([node('Add', ['x', 'b'], 'a'), node('Neg', ['a'], 'b'), node('Neg', ['a'], 'y')]),
    /^import: expected nodes that can run one after the other, got 3 of which some wait for each other, among them Add_of_a/,
  ],
  'a name that nothing gives': [
    only([node('Add', ['x', 'z'], 'y')]),
    /^import: node Add_of_y \(Add\): nothing in the file gives "z"; the file is damaged$/,
  ],
  'a name that two nodes give': [
    only([node('Neg', ['x'], 'y'), node('Abs', ['x'], 'y')]),
    /^import: node Abs_of_y \(Abs\): "y" is given a second time/,
  ],
  'dimensions of more numbers than there are': [
    matmul({ ...weight('w', 4, 2), dims: [2 ** 40, 2 ** 40] }),
    /^import: "w": expected at most 2147483647 numbers, got the shape \[1099511627776, 1099511627776\]$/,
  ],
  'negative dimensions': [
    matmul({ ...weight('w', 4, 2), dims: [-4, -2] }),
    /^import: "w": expected dimensions of 0 or more, got \[-4, -2\]; the file is damaged$/,
  ],
  'fewer numbers than the dimensions say': [
    matmul({ ...weight('w', 4, 2), dims: [4, 2000] }),
    /^import: "w": expected 32000 bytes for float \[4, 2000\], got 32; the file is damaged$/,
  ],
  'no numbers at all for a large shape': [
    matmul({ ...weight('w', 4, 2), dims: [4, 2 ** 28], rawData: new Uint8Array() }),
    /^import: "w": expected 1073741824 numbers of type float, got more or fewer; the file is damaged$/,
  ],
  'external data above the folder': [
    matmul(external('../../etc/passwd')),
    /^import: "w": expected its numbers in a file beside the model, got "\.\.\/\.\.\/etc\/passwd"$/,
  ],
  'external data at a path from the root': [
    matmul(external('/etc/passwd')),
    /beside the model, got "\/etc\/passwd"$/,
  ],
  'external data on another drive': [matmul(external('C:\\secret')), /beside the model, got "C:/],
  'external data of another size': [
    matmul(external('w.bin', [['length', '1e12']])),
    /^import: "w": expected 32 bytes at a place in w\.bin, got 1e12 at 0$/,
  ],
  'external data that nobody reads': [
    matmul(external('w.bin')),
    /"w": its numbers are in w\.bin; give `external`/,
  ],
  'an Expand to a billion': [
    big('Expand', [[1_000_000_000, 1, 4]]),
    /^import: node Expand_of_y \(Expand\): expected at most 268435456 numbers for an example, got \[1000000000, batch, 4\]$/,
  ],
  'a Tile of a billion': [
    big('Tile', [[1, 1_000_000_000]]),
    /^import: node Tile_of_y \(Tile\): expected at most/,
  ],
  'a Pad of a billion': [
    big('Pad', [[0, 0, 0, 1_000_000_000]]),
    /^import: node Pad_of_y \(Pad\): expected at most/,
  ],
  'a Pad of a billion at the edge': [
    big('Pad', [[0, 0, 0, 1_000_000_000]], { mode: 'edge' }),
    /^import: node Pad_of_y \(Pad\): expected at most/,
  ],
  'a Resize to a billion': [
    big('Resize', [[], [], [1, 1_000_000_000]], { mode: 'linear' }),
    /^import: node Resize_of_y \(Resize\): expected at most/,
  ],
  'a ConstantOfShape of a billion': [
    only(
      [node('ConstantOfShape', ['shape'], 'c'), node('Add', ['x', 'c'], 'y')],
      [ints('shape', 1_000_000, 1000, 4)],
    ),
    /^import: node ConstantOfShape_of_c \(ConstantOfShape\): expected at most/,
  ],
  'a Range of a billion': [
    only(
      [
        node('Range', ['from', 'to', 'by'], 'r'),
        node('Cast', ['r'], 'f', { to: 1 }),
        node('Add', ['x', 'f'], 'y'),
      ],
      [0, 1e9, 1].map((value, i) =>
        tensor(['from', 'to', 'by'][i] ?? '', [], BigInt64Array.of(BigInt(value))),
      ),
    ),
    /^import: node Range_of_r \(Range\): expected 1 to 16777216 numbers, got 0 to 1000000000 by 1$/,
  ],
  'a OneHot of a billion': [
    file({
      inputs: [info('x', ['N', 4], ELEMENTS.int64)],
      initializers: [ints('depth', 1_000_000_000), floats('values', [2], [0, 1])],
      nodes: [node('OneHot', ['x', 'depth', 'values'], 'y')],
      outputs: ['y'],
    }),
    /^import: node OneHot_of_y \(OneHot\): expected at most/,
  ],
  'an outer product of known numbers': [
    only(
      [node('Mul', ['a', 'b'], 'c'), node('Gather', ['c', 'a'], 'd'), node('Gather', ['x', 'd'], 'y')],
      [
        tensor('a', [60_000, 1], new BigInt64Array(60_000)),
        tensor('b', [1, 60_000], new BigInt64Array(60_000)),
      ],
    ),
    /^import: node .*: expected at most/,
  ],
  'graphs within graphs': [
    nested(1000),
    /^import: expected graphs nested at most 100 messages deep, got more$/,
  ],
  'a function that calls itself': [
    file({
      inputs: [x],
      nodes: [node('own.f', ['x'], 'y')],
      outputs: ['y'],
      opsets: own,
      functions: doubling(1).map((each) => ({ ...each, name: 'f', node: [node('own.f', ['a'], 'b')] })),
    }),
    /^import: node own\.f_of_y#1\/own\.f_of_b: the file's function f calls itself$/,
  ],
  'functions that call functions': [
    file({
      inputs: [x],
      nodes: [node('own.f9', ['x'], 'y')],
      outputs: ['y'],
      opsets: own,
      functions: doubling(10),
    }),
    /^import: expected at most 50000 nodes, got more once its functions are written out$/,
  ],
  'an attribute of another type': [
    only([{ ...node('Softmax', ['x'], 'y'), attribute: [{ ...unknownType, type: 3 }] }]),
    /^import: node Softmax_of_y \(Softmax\): axis: expected int, got string$/,
  ],
  'no input': [
    file({ inputs: [], nodes: [node('Constant', [], 'y', { value_float: { float: 1 } })], outputs: ['y'] }),
    /^import: expected a model with an input, got none$/,
  ],
  'no output': [
    file({ inputs: [x], nodes: [node('Neg', ['x'], 'y')], outputs: [] }),
    /^import: expected a model with an output/,
  ],
  'an output that nothing gives': [
    file({ inputs: [x], nodes: [node('Neg', ['x'], 'y')], outputs: ['z'] }),
    /^import: the output "z" is given by no node$/,
  ],
};

for (const [what, [bytes, expected]] of Object.entries(CASES)) {
  test(what, (t) => {
    const found = refused(bytes);
    t.regex(found.message, expected);
    t.is(found.name, 'UserError');
    t.true(found.bytes < 300e6, `${found.bytes} bytes`);
  });
}

test('a file cut anywhere, and one with a flipped bit, is refused in a line or harmless', (t) => {
  for (let length = 0; length < cnn.length; length += 211)
    expectLine(t, cnn.subarray(0, length), `cut at ${length}`);
  for (let bit = 0; bit < 8 * cnn.length; bit += 997) {
    const damaged = cnn.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
    expectLine(t, damaged, `bit ${bit}`);
  }
});

function expectLine(
  t: { regex(text: string, pattern: RegExp, what: string): unknown },
  bytes: Uint8Array,
  what: string,
) {
  try {
    importModel(bytes);
  } catch (error) {
    const { name, message } = Object(error);
    t.regex(`${name}: ${message}`, /^UserError: import: [^\n]+$/, what);
  }
}

test('five thousand nodes in a row are no depth', (t) => {
  const count = 5000;
  const nodes = Array.from({ length: count }, (_, i) =>
    node('Neg', [i === 0 ? 'x' : `v${i}`], i === count - 1 ? 'y' : `v${i + 1}`),
  );
  const model = importModel(only(nodes.toReversed()));
  t.deepEqual(model.outputs, ['y']);
});
