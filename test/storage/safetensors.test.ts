import test from 'ava';
import fc from 'fast-check';
import { UserError } from '../../src/errors.ts';
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from '../../src/storage/safetensors.ts';

const encode = (tensors: NamedTensor[], metadata?: Record<string, string>): Uint8Array =>
  new Uint8Array(Buffer.concat(encodeSafetensors(tensors, metadata)));

/** A file with this header, its length included, and `dataBytes` zero bytes. */
function fileOf(header: unknown, dataBytes = 0): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return new Uint8Array(Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
}

const shape = fc.array(fc.nat(3), { maxLength: 3 });
const size = (dims: number[]) => dims.reduce((product, dim) => product * dim, 1);
const tensor = shape.chain((dims): fc.Arbitrary<NamedTensor> => {
  const length = size(dims);
  const bounds = { minLength: length, maxLength: length };
  const data = fc.oneof(
    fc.float32Array(bounds),
    fc.int32Array(bounds),
    fc.bigInt64Array(bounds),
    fc.uint8Array(bounds),
  );
  return fc.record({ name: fc.string(), shape: fc.constant(dims), data });
});
const tensors = fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 6 });

test('what is written is read again, whatever the names, dtypes and alignment', (t) => {
  const byName = (a: NamedTensor, b: NamedTensor) => (a.name < b.name ? -1 : 1);
  fc.assert(
    fc.property(tensors, fc.dictionary(fc.string(), fc.string()), fc.nat(9), (list, metadata, offset) => {
      const bytes = encode(list, metadata);
      // As part of a larger Buffer, like those of node:fs: its slice() would not copy.
      const moved = Buffer.alloc(bytes.length + offset)
        .fill(bytes, offset)
        .subarray(offset);
      const read = decodeSafetensors(moved, 'a.safetensors');
      t.deepEqual([...read.tensors].sort(byName), [...list].sort(byName));
      t.deepEqual({ ...read.metadata }, { ...metadata });
    }),
  );
  t.pass();
});

test('tensors come in the order in which they were written', (t) => {
  const list = ['b', '10', 'a', '2'].map((name) => ({ name, shape: [1], data: Float32Array.of(1) }));
  t.deepEqual(
    decodeSafetensors(encode(list), 'x').tensors.map(({ name }) => name),
    ['b', '10', 'a', '2'],
  );
});

test('the bytes are those of the format', (t) => {
  const bytes = encode([{ name: 'w', shape: [2], data: Float32Array.of(1, -2) }], { a: 'b' });
  const json = '{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
  const padded = json.padEnd(Math.ceil(json.length / 8) * 8);
  t.is(Buffer.from(bytes.subarray(0, 8)).readBigUInt64LE(), BigInt(padded.length));
  t.is(Buffer.from(bytes.subarray(8, 8 + padded.length)).toString(), padded);
  t.is(Buffer.from(bytes.subarray(8 + padded.length)).toString('hex'), '0000803f000000c0');
});

test('a file of the Python package is read', (t) => {
  // safetensors 0.8.0: safetensors.numpy.save({'b': np.float32([[1, 2]]), 'a': np.int64([3])}, {'by': 'python'})
  const header =
    '{"__metadata__":{"by":"python"},"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' +
    '"b":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}}   ';
  const data = Buffer.from('03000000000000000000803f00000040', 'hex');
  const bytes = new Uint8Array(Buffer.concat([fileOf(header), data]));
  t.deepEqual(decodeSafetensors(bytes, 'x'), {
    metadata: { by: 'python' },
    tensors: [
      { name: 'a', shape: [1], data: BigInt64Array.of(3n) },
      { name: 'b', shape: [1, 2], data: Float32Array.of(1, 2) },
    ],
  });
});

test('nothing is copied: neither when written nor when read', (t) => {
  const data = new Float32Array([1, 2, 3]);
  const pieces = encodeSafetensors([{ name: 'w', shape: [3], data }]);
  t.is(pieces[1]?.buffer, data.buffer);
  const bytes = new Uint8Array(Buffer.concat(pieces));
  t.is(decodeSafetensors(bytes, 'x').tensors[0]?.data.buffer, bytes.buffer);
});

test('no corruption is more than a UserError', (t) => {
  const change = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), at: fc.nat(), value: fc.nat(255) }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat() }),
    fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), value: fc.nat(255) }),
  );
  const headerText = fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '-', '0', '9', 'e', '.', '\\');
  let refused = 0;
  const survives = (bytes: Uint8Array) => {
    try {
      decodeSafetensors(bytes, 'x');
    } catch (error) {
      refused++;
      t.true(error instanceof UserError, String(error));
    }
  };
  fc.assert(
    fc.property(tensors, fc.array(change, { minLength: 1, maxLength: 4 }), (list, changes) => {
      const bytes = [...encode(list, { about: 'x' })];
      for (const each of changes) {
        const at = each.at % (bytes.length + 1);
        if (each.kind === 'set') bytes[at] = each.value;
        if (each.kind === 'cut') bytes.length = at;
        if (each.kind === 'insert') bytes.splice(at, 0, each.value);
      }
      survives(Uint8Array.from(bytes));
    }),
  );
  fc.assert(
    fc.property(tensors, fc.nat(), headerText, (list, at, character) => {
      const bytes = encode(list);
      const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
      bytes[8 + (at % headerBytes)] = character.charCodeAt(0);
      survives(bytes);
    }),
  );
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.nat(16),
      (any, entries, data) => {
        survives(fileOf(any, data));
        survives(fileOf(entries, data));
      },
    ),
  );
  t.true(refused > 100);
});

test('float16 and bfloat16 are read as float32', (t) => {
  // Sign, exponent and fraction have 1, 5 and 10 bits (bias 15), and 1, 8 and 7 (bias 127): the last two of each are the
  // largest of its exponent and the smallest.
  const half = Uint16Array.of(0x3c00, 0xc100, 0x7bff, 0x0001);
  const brain = Uint16Array.of(0x3f80, 0xc020, 0x7f62, 0x0001);
  const header =
    '{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[8,16]}}';
  // Once more with its data not aligned.
  for (const pad of ['', ' ']) {
    const json = new TextEncoder().encode(header + pad);
    const prefix = new Uint8Array(8);
    new DataView(prefix.buffer).setBigUint64(0, BigInt(json.length), true);
    const file = Buffer.concat([prefix, json, new Uint8Array(half.buffer), new Uint8Array(brain.buffer)]);
    const [a, b] = decodeSafetensors(file, 'a.safetensors').tensors;
    t.deepEqual(a?.data, Float32Array.of(1, -2.5, 65504, 2 ** -24));
    t.deepEqual(b?.shape, [2, 2]);
    t.deepEqual(b?.data, Float32Array.of(1, -2.5, (1 + 0x62 / 128) * 2 ** 127, 2 ** -133));
  }
});

const F32 = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
const REFUSED: Record<string, [bytes: Uint8Array, message: string]> = {
  'no header length': [new Uint8Array(7), 'expected at least 8 bytes, got 7'],
  'a header longer than the file': [
    Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 123, 125),
    'its header should have 9 bytes, but 2 follow (limit 100000000)',
  ],
  'an absurd header length': [
    new Uint8Array(8).fill(255),
    'its header should have 18446744073709552000 bytes, but 0 follow (limit 100000000)',
  ],
  'no JSON': [fileOf('{"a"'), 'its header is not JSON in UTF-8'],
  'JSON that is no object': [fileOf('[]'), 'its header is not a JSON object'],
  'space before the object': [fileOf(' {}'), 'its header is not a JSON object'],
  'a tensor twice': [
    fileOf(`{"w":${JSON.stringify(F32)},"\\u0077":${JSON.stringify(F32)}}`, 8),
    'its header has "w" twice',
  ],
  'a field twice': [
    fileOf('{"w":{"dtype":"F32","dtype":"I32","shape":[2],"data_offsets":[0,8]}}', 8),
    'its header has "dtype" twice',
  ],
  'metadata other than text': [
    fileOf({ __metadata__: { a: 1 } }),
    '__metadata__: expected an object of strings',
  ],
  'an unknown dtype': [
    fileOf({ w: { ...F32, dtype: 'F64' } }, 8),
    'tensor "w": expected a dtype of F32, I32, I64, U8, F16, BF16, got "F64"',
  ],
  'a negative size': [
    fileOf({ w: { ...F32, shape: [-2] } }, 8),
    'tensor "w": expected a shape of integers ≥ 0, got [-2]',
  ],
  'an unknown field': [fileOf({ w: { ...F32, order: 'C' } }, 8), 'tensor "w": unknown field "order"'],
  'offsets that run backwards': [
    fileOf({ w: { ...F32, data_offsets: [8, 0] } }, 8),
    'tensor "w": expected data_offsets [begin, end], got [8,0]',
  ],
  'a shape that does not fit its bytes': [
    fileOf({ w: { ...F32, shape: [3] } }, 8),
    'tensor "w": F32 of shape [3] does not have 8 bytes',
  ],
  'a hole': [
    fileOf({ w: { ...F32, data_offsets: [4, 12] } }, 12),
    'tensor "w": expected its bytes to begin at 0, got 4',
  ],
  'an overlap': [
    fileOf({ v: F32, w: { ...F32, data_offsets: [4, 12] } }, 12),
    'tensor "w": expected its bytes to begin at 8, got 4',
  ],
  'data that ends early': [fileOf({ w: F32 }, 7), 'tensor "w": its bytes end at 8, but there are 7'],
  'data of no tensor': [fileOf({ w: F32 }, 9), '1 bytes at its end belong to no tensor'],
};

for (const [name, [bytes, message]] of Object.entries(REFUSED)) {
  test(`refused: ${name}`, (t) => {
    const error = t.throws(() => decodeSafetensors(bytes, 'a.safetensors'), { instanceOf: UserError });
    t.is(error.message, `a.safetensors: not a valid safetensors file: ${message}`);
  });
}

test('a name cannot be written twice, nor a shape that its data does not fill', (t) => {
  const w = { name: 'w', shape: [1], data: Float32Array.of(1) };
  t.throws(() => encodeSafetensors([w, w]), { message: /internal: tensor name "w" is taken/ });
  t.throws(() => encodeSafetensors([{ ...w, name: '__metadata__' }]), { message: /internal: .* is taken/ });
  t.throws(() => encodeSafetensors([{ ...w, shape: [2] }]), {
    message: /internal: .* does not hold 1 elements/,
  });
});
