/**
 * The safetensors format (https://huggingface.co/docs/safetensors): the length of a JSON header as uint64, the header,
 * then the bytes of all tensors without gaps. All little-endian, as is every machine that ONNX Runtime runs on.
 * Pure: also for browsers.
 */
import { bytesOf } from '../bytes.ts';
import { show, UserError } from '../errors.ts';
import { fromBfloat16, fromFloat16 } from '../onnx/float16.ts';
import type { TensorData } from '../runtime/session.ts';

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major; its type gives the dtype: float32, int32, int64 or uint8. */
  readonly data: TensorData;
}

export interface Safetensors {
  /** In the order of their bytes in the file. */
  readonly tensors: readonly NamedTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

type View = (buffer: ArrayBufferLike, offset: number, length: number) => TensorData;

const DTYPES: Readonly<Record<string, { readonly bytes: number; readonly view: View }>> = {
  F32: { bytes: 4, view: (buffer, offset, length) => new Float32Array(buffer, offset, length) },
  I32: { bytes: 4, view: (buffer, offset, length) => new Int32Array(buffer, offset, length) },
  I64: { bytes: 8, view: (buffer, offset, length) => new BigInt64Array(buffer, offset, length) },
  U8: { bytes: 1, view: (buffer, offset, length) => new Uint8Array(buffer, offset, length) },
  F16: { bytes: 2, view: (buffer, offset, length) => fromFloat16(new Uint16Array(buffer, offset, length)) },
  BF16: { bytes: 2, view: (buffer, offset, length) => fromBfloat16(new Uint16Array(buffer, offset, length)) },
};

const METADATA = '__metadata__';
const PREFIX_BYTES = 8;
/** The limit of the reference implementation. Without it, a corrupt length could ask for any amount of memory. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * The file as pieces to be written one after the other: header, then a view of each tensor's data. Nothing is copied,
 * so the data must not change until the pieces are written.
 */
export function encodeSafetensors(
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const names = new Set([METADATA]);
  let end = 0;
  const entries = tensors.map(({ name, shape, data }): [string, unknown] => {
    if (names.has(name)) throw new Error(`internal: tensor name ${JSON.stringify(name)} is taken`);
    names.add(name);
    if (sizeOf(shape) !== data.length) {
      throw new Error(`internal: tensor ${name}: shape [${shape}] does not hold ${data.length} elements`);
    }
    const begin = end;
    end += data.byteLength;
    return [name, { dtype: dtypeOf(data), shape, data_offsets: [begin, end] }];
  });
  if (Object.keys(metadata).length > 0) entries.unshift([METADATA, metadata]);
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  // Spaces up to a multiple of 8, so that readers can view the data in place.
  const header = new Uint8Array(PREFIX_BYTES + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - PREFIX_BYTES), true);
  header.set(json, PREFIX_BYTES);
  return [header, ...tensors.map(({ data }) => bytesOf(data))];
}

/**
 * Reads a whole file; `origin` names it in errors. A tensor is a view of `bytes` if it is aligned there, else a copy;
 * F16 and BF16 become float32. Throws a UserError for anything that the format does not allow, and for other dtypes than
 * F32, F16, BF16, I32, I64 and U8.
 */
export function decodeSafetensors(bytes: Uint8Array, origin: string): Safetensors {
  const fail = (problem: string) => new UserError(`${origin}: not a valid safetensors file: ${problem}`);
  if (bytes.length < PREFIX_BYTES) throw fail(`expected at least ${PREFIX_BYTES} bytes, got ${bytes.length}`);
  const prefix = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES);
  const headerBytes = Number(prefix.getBigUint64(0, true));
  const rest = bytes.length - PREFIX_BYTES;
  if (headerBytes > Math.min(rest, MAX_HEADER_BYTES)) {
    throw fail(`its header should have ${headerBytes} bytes, but ${rest} follow (limit ${MAX_HEADER_BYTES})`);
  }
  const header = parseHeader(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + headerBytes), fail);
  const data = bytes.subarray(PREFIX_BYTES + headerBytes);

  const { [METADATA]: metadata = {}, ...entries } = header;
  if (!isStringRecord(metadata)) throw fail(`${METADATA}: expected an object of strings`);
  const found = Object.entries(entries)
    .map(([name, entry]) => ({ name, ...parseEntry(entry, `tensor ${show(name)}`, fail) }))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let previousEnd = 0;
  for (const { name, begin, end } of found) {
    const where = `tensor ${show(name)}: `;
    if (begin !== previousEnd)
      throw fail(`${where}expected its bytes to begin at ${previousEnd}, got ${begin}`);
    if (end > data.length) throw fail(`${where}its bytes end at ${end}, but there are ${data.length}`);
    previousEnd = end;
  }
  if (previousEnd !== data.length) {
    throw fail(`${data.length - previousEnd} bytes at its end belong to no tensor`);
  }
  const tensors = found.map(({ name, shape, begin, end, bytes: width, view }) => {
    const raw = data.subarray(begin, end);
    const { buffer, byteOffset } = raw.byteOffset % width === 0 ? raw : new Uint8Array(raw);
    return { name, shape, data: view(buffer, byteOffset, raw.length / width) };
  });
  return { tensors, metadata };
}

type Fail = (problem: string) => UserError;

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let header: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch {
    throw fail('its header is not JSON in UTF-8');
  }
  if (!text.startsWith('{') || !isRecord(header)) throw fail('its header is not a JSON object');
  const twice = duplicateKey(text);
  if (twice !== undefined) throw fail(`its header has ${show(twice)} twice`);
  return header;
}

function parseEntry(entry: unknown, where: string, fail: Fail) {
  if (!isRecord(entry)) throw fail(`${where}: expected an object, got ${show(entry)}`);
  const { dtype, shape, data_offsets: offsets, ...others } = entry;
  const other = Object.keys(others)[0];
  if (other !== undefined) throw fail(`${where}: unknown field ${show(other)}`);
  const type = typeof dtype === 'string' && Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined;
  if (type === undefined) {
    const valid = Object.keys(DTYPES).join(', ');
    throw fail(`${where}: expected a dtype of ${valid}, got ${show(dtype)}`);
  }
  if (!isSizes(shape)) throw fail(`${where}: expected a shape of integers ≥ 0, got ${show(shape)}`);
  const [begin, end] = isSizes(offsets) && offsets.length === 2 ? offsets : [];
  if (begin === undefined || end === undefined || begin > end) {
    throw fail(`${where}: expected data_offsets [begin, end], got ${show(offsets)}`);
  }
  if (sizeOf(shape) * type.bytes !== end - begin) {
    throw fail(`${where}: ${dtype} of shape ${show(shape)} does not have ${end - begin} bytes`);
  }
  return { shape, begin, end, ...type };
}

/** A key that an object in `json` has twice. JSON.parse would silently take the last. `json` must be valid. */
function duplicateKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  // By hand: a regular expression overflows its stack on strings of megabytes.
  for (let i = 0; i < json.length; i++) {
    if (json[i] === '{') open.push(new Set());
    if (json[i] === '}') open.pop();
    if (json[i] !== '"') continue;
    const start = i++;
    while (json[i] !== '"') i += json[i] === '\\' ? 2 : 1;
    let next = i + 1;
    while (/\s/.test(json[next] ?? '')) next++;
    if (json[next] !== ':') continue;
    const key = String(JSON.parse(json.slice(start, i + 1)));
    const keys = open.at(-1);
    if (keys?.has(key)) return key;
    keys?.add(key);
  }
  return undefined;
}

function dtypeOf(data: TensorData): string {
  if (data instanceof Float32Array) return 'F32';
  if (data instanceof Int32Array) return 'I32';
  return data instanceof BigInt64Array ? 'I64' : 'U8';
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dim) => size * dim, 1);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStringRecord(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every((item) => typeof item === 'string');
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
