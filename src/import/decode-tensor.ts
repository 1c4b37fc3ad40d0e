/** The tensors of a file: every encoding that onnx.proto has, read as one of our dtypes. */
import { joined } from '../bytes.ts';
import { UserError } from '../errors.ts';
import type { KeyValue, SparseTensorProto, TensorProto } from '../onnx/proto.ts';
import { show } from '../onnx/shapes.ts';
import type { ConstantData, DType } from '../onnx/value.ts';
import { ELEMENT_TYPES, type ElementType, typeName } from './element-types.ts';

/** Reads bytes of another file beside the model; `location` is relative to it. */
export type ExternalData = (location: string, offset: number, length: number) => Uint8Array;

/** The numbers of a tensor. */
export interface FileTensor {
  readonly dtype: DType;
  /** Its type in the file, as onnx.proto names it. */
  readonly stored: string;
  readonly shape: readonly number[];
  readonly data: ConstantData;
}

/** A type of ours, and the number of elements. */
export interface TensorInfo {
  readonly dtype: DType;
  readonly stored: string;
  readonly shape: readonly number[];
  readonly size: number;
}

/** More elements than an array of ours may have. */
const MOST_ELEMENTS = 2 ** 31 - 1;

/**
 * What a tensor holds, without reading it. Undefined for texts and complex numbers, which only verbatim nodes may use.
 * Throws UserError where the dimensions are no sizes, or too many, and where the numbers cannot be there.
 */
export function tensorInfo(
  tensor: TensorProto,
  what: string,
  external?: ExternalData,
): TensorInfo | undefined {
  const type = ELEMENT_TYPES[tensor.dataType];
  const size = sizeOfDims(tensor.dims, what);
  if (type) expectRoom(tensor, type, size, what, external);
  return type && { dtype: type.dtype, stored: type.name, shape: tensor.dims, size };
}

function sizeOfDims(dims: readonly number[], what: string): number {
  let size = 1;
  for (const dim of dims) {
    if (!Number.isSafeInteger(dim) || dim < 0)
      throw new UserError(
        `${what}: expected dimensions of 0 or more, got ${show(dims)}; the file is damaged`,
      );
    size *= dim;
  }
  if (size <= MOST_ELEMENTS) return size;
  throw new UserError(`${what}: expected at most ${MOST_ELEMENTS} numbers, got the shape ${show(dims)}`);
}

/**
 * The numbers of a tensor: a view of its bytes where these lie as numbers do. Throws UserError where it holds others than
 * its shape says, numbers of a type that we have none for, or where they are in another file that cannot be read.
 */
export function decodeTensor(tensor: TensorProto, what: string, external?: ExternalData): FileTensor {
  const type = ELEMENT_TYPES[tensor.dataType];
  const size = sizeOfDims(tensor.dims, what);
  if (!type) throw new UserError(`${what}: expected numbers, got ${typeName(tensor.dataType)}`);
  const { dtype, name: stored } = type;
  return { dtype, stored, shape: tensor.dims, data: numbersOf(tensor, type, size, what, external) };
}

const bytesFor = (size: number, bits: number): number => Math.ceil((size * bits) / 8);

/** Throws UserError where a tensor has no place for its numbers. */
function expectRoom(
  tensor: TensorProto,
  type: ElementType,
  size: number,
  what: string,
  external: ExternalData | undefined,
): void {
  const { dims, rawData, dataLocation, externalData = [] } = tensor;
  const expected = bytesFor(size, type.bits);
  if (dataLocation === 1) {
    const { location } = placeOf(externalData, expected, what);
    if (external) return;
    throw new UserError(`${what}: its numbers are in ${location}; give \`external\`, which reads that file`);
  }
  if (rawData.length === expected) return;
  if (rawData.length > 0) {
    throw new UserError(
      `${what}: expected ${expected} bytes for ${type.name} ${show(dims)}, got ${rawData.length}; the file is damaged`,
    );
  }
  // A number of a list has its own width, or a byte at least.
  const found = (tensor[type.list] ?? []).reduce((sum, piece) => sum + piece.length, 0);
  const least = isFixed(type) ? expected : Math.min(expected, size);
  if (found < least) throw tooFew(type, size, what);
}

const isFixed = ({ list }: ElementType): boolean => list === 'floatData' || list === 'doubleData';

function tooFew({ name }: ElementType, size: number, what: string): UserError {
  return new UserError(
    `${what}: expected ${size} numbers of type ${name}, got more or fewer; the file is damaged`,
  );
}

function numbersOf(
  tensor: TensorProto,
  type: ElementType,
  size: number,
  what: string,
  external: ExternalData | undefined,
): ConstantData {
  expectRoom(tensor, type, size, what, external);
  const { dataLocation, externalData = [], rawData } = tensor;
  if (dataLocation === 1 && external) {
    return fromRaw(externalBytes(externalData, bytesFor(size, type.bits), what, external), type, size);
  }
  if (rawData.length > 0 || size === 0) return fromRaw(rawData, type, size);
  return fromRaw(packedBytes(tensor[type.list] ?? [], type, size, what), type, size);
}

function fromRaw(bytes: Uint8Array, type: ElementType, size: number): ConstantData {
  const isAligned = bytes.byteOffset % Math.max(1, type.bits / 8) === 0;
  if (isAligned && bytes.buffer instanceof ArrayBuffer)
    return type.read(bytes.buffer, bytes.byteOffset, size);
  return type.read(new Uint8Array(bytes).buffer, 0, size);
}

/** The numbers of a list, as raw data would have them. */
function packedBytes(
  pieces: readonly Uint8Array[],
  type: ElementType,
  size: number,
  what: string,
): Uint8Array {
  const found = isFixed(type) ? fixedBytes(pieces) : varintBytes(pieces, type.bits, size);
  if (found?.length === bytesFor(size, type.bits)) return found;
  throw tooFew(type, size, what);
}

function fixedBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  return first && pieces.length === 1 ? first : joined(pieces);
}

/** Integers of any width from variable-length ones; undefined where there are not `size` of them. */
function varintBytes(pieces: readonly Uint8Array[], bits: number, size: number): Uint8Array | undefined {
  // A number of the list holds one element, but a byte where that has several elements.
  const count = bits < 8 ? Math.ceil((size * bits) / 8) : size;
  const width = Math.max(1, bits / 8);
  // A varint takes a byte at least: a shape of a billion elements allocates nothing, where the file has no such list.
  if (pieces.reduce((sum, piece) => sum + piece.length, 0) < count) return undefined;
  const out = new DataView(new ArrayBuffer(count * width));
  let next = 0;
  for (const piece of pieces) {
    let at = 0;
    while (at < piece.length) {
      if (next === count) return undefined;
      let [low, high, shift] = [0, 0, 0];
      for (let more = true; more; shift += 7) {
        const byte = piece[at++];
        if (byte === undefined || shift > 63) return undefined;
        if (shift < 28) low |= (byte & 0x7f) << shift;
        else if (shift === 28) {
          low |= (byte & 0x0f) << 28;
          high |= (byte & 0x7f) >> 4;
        } else high |= (byte & 0x7f) << (shift - 32);
        more = byte >= 0x80;
      }
      putInteger(out, next * width, width, low, high);
      next++;
    }
  }
  return next === count ? new Uint8Array(out.buffer) : undefined;
}

function putInteger(out: DataView, at: number, width: number, low: number, high: number): void {
  if (width === 1) out.setInt8(at, low);
  else if (width === 2) out.setInt16(at, low, true);
  else {
    out.setInt32(at, low, true);
    if (width === 8) out.setInt32(at + 4, high, true);
  }
}

/** Where a tensor's bytes are in another file. Throws UserError where that is not in the folder of the model. */
function placeOf(
  entries: readonly KeyValue[],
  expected: number,
  what: string,
): { readonly location: string; readonly offset: number } {
  const given = new Map(entries.map(({ key, value }) => [key, value]));
  const location = given.get('location') ?? '';
  const isInside =
    location !== '' && !/^[/\\]|^[a-z]+:|\0/i.test(location) && !location.split(/[/\\]/).includes('..');
  if (!isInside) {
    throw new UserError(
      `${what}: expected its numbers in a file beside the model, got ${JSON.stringify(location)}`,
    );
  }
  const offset = Number(given.get('offset') ?? 0);
  const length = Number(given.get('length') ?? expected);
  if (Number.isSafeInteger(offset) && offset >= 0 && length === expected) return { location, offset };
  throw new UserError(
    `${what}: expected ${expected} bytes at a place in ${location}, got ${given.get('length') ?? expected} at ${given.get('offset') ?? 0}`,
  );
}

function externalBytes(
  entries: readonly KeyValue[],
  expected: number,
  what: string,
  external: ExternalData,
): Uint8Array {
  const { location, offset } = placeOf(entries, expected, what);
  const bytes = external(location, offset, expected);
  if (bytes.length === expected) return bytes;
  throw new UserError(`${what}: expected ${expected} bytes at ${offset} of ${location}, got ${bytes.length}`);
}

/** A sparse tensor, written out. Throws UserError where an index is outside of it. */
export function denseTensor(sparse: SparseTensorProto, what: string, external?: ExternalData): FileTensor {
  const { values, indices, dims } = sparse;
  if (!values || !indices) throw new UserError(`${what}: expected values and indices, got none`);
  const numbers = decodeTensor(values, what, external);
  const places = decodeTensor(indices, `${what}: indices`, external);
  const size = sizeOfDims(dims, what);
  if (size > MOST_DENSE) {
    throw new UserError(
      `${what}: expected a sparse tensor of at most ${MOST_DENSE} elements, got ${show(dims)}`,
    );
  }
  const data = zerosLike(numbers.data, size);
  const rank = places.shape.length === 2 ? dims.length : 1;
  for (let i = 0; i < numbers.data.length; i++) {
    let at = 0;
    for (let axis = 0; axis < rank; axis++) {
      const index = Number(places.data[i * rank + axis]);
      at = rank === 1 ? index : at * (dims[axis] ?? 1) + index;
    }
    if (!(at >= 0 && at < size))
      throw new UserError(`${what}: expected indices within ${show(dims)}, got ${at}`);
    copyElement(numbers.data, i, data, at);
  }
  return { ...numbers, shape: dims, data };
}

/** A sparse tensor says little of how large it is. */
const MOST_DENSE = 2 ** 26;

function zerosLike(data: ConstantData, size: number): ConstantData {
  if (data instanceof Float32Array) return new Float32Array(size);
  if (data instanceof BigInt64Array) return new BigInt64Array(size);
  if (data instanceof Int32Array) return new Int32Array(size);
  return new Uint8Array(size);
}

function copyElement(from: ConstantData, i: number, to: ConstantData, at: number): void {
  if (from instanceof BigInt64Array && to instanceof BigInt64Array) to[at] = from[i] ?? 0n;
  else if (!(from instanceof BigInt64Array) && !(to instanceof BigInt64Array)) to[at] = from[i] ?? 0;
}
