/** Weights by path, as files and as what a model begins from. Also for browsers. */
import { readBytes, writeBytes } from '#host';
import { joined } from '../bytes.ts';
import { counted } from '../counted.ts';
import { nearestName, show, UserError } from '../errors.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from '../storage/safetensors.ts';

/** Variables by path: float32, row-major. */
export type Weights = Readonly<
  Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>
>;

/**
 * Weights as a safetensors file: its bytes. In node they are also written where a path is given: the file is replaced
 * whole, or not at all. Throws UserError for a path in a page, and where the file cannot be written.
 */
export function saveWeights(weights: Weights): Promise<Uint8Array>;
export function saveWeights(file: string | undefined, weights: Weights): Promise<Uint8Array>;
export async function saveWeights(
  first: Weights | string | undefined,
  second?: Weights,
): Promise<Uint8Array> {
  const file = typeof first === 'string' ? first : undefined;
  const weights = second ?? (typeof first === 'object' ? first : undefined);
  if (weights === undefined) throw new UserError('saveWeights: expected weights by path, got none');
  const bytes = joined(encodeSafetensors(tensorsOf('saveWeights', weights)));
  if (file !== undefined) await writeBytes(file, bytes);
  return bytes;
}

/**
 * The weights of a safetensors file: its bytes or, in node, its path. Throws UserError where it is none, or holds other
 * numbers than float32.
 */
export async function loadWeights(source: Uint8Array | string): Promise<Weights> {
  const origin = typeof source === 'string' ? source : 'loadWeights';
  const { tensors } = decodeSafetensors(
    typeof source === 'string' ? await readBytes(source) : source,
    origin,
  );
  return weightsOf(tensors, origin);
}

/** Tensors by name, in arrays of their own. */
export function weightsOf(tensors: readonly NamedTensor[], origin = 'weights'): Weights {
  return Object.fromEntries(
    tensors.map(({ name, shape, data }) => {
      if (!(data instanceof Float32Array))
        throw new UserError(`${origin}: ${name}: expected float32 weights, got ${data.constructor.name}`);
      return [name, { shape: [...shape], data: data.slice() }];
    }),
  );
}

export function tensorsOf(what: string, weights: Weights): NamedTensor[] {
  return Object.entries(weights).map(([name, weight]) => {
    const { shape, data }: Partial<Weights[string]> = weight ?? {};
    if (!(data instanceof Float32Array) || !Array.isArray(shape) || sizeOf(shape) !== data.length) {
      throw new UserError(
        `${what}: ${name}: expected {shape, data} with a Float32Array of that size, got ${show(weight)}`,
      );
    }
    return { name, shape, data };
  });
}

/** Throws UserError unless these are all variables and no others, each of its shape. */
export function expectWeights(
  what: string,
  weights: Weights,
  variables: readonly { readonly path: string; readonly shape: readonly number[] }[],
): NamedTensor[] {
  const tensors = tensorsOf(what, weights);
  const paths = variables.map(({ path }) => path);
  const missing = paths.filter((path) => !Object.hasOwn(weights, path));
  const over = tensors.map(({ name }) => name).filter((name) => !paths.includes(name));
  if (missing.length > 0 || over.length > 0) {
    const parts = [
      ...(missing.length > 0 ? [`${counted(missing.length, 'variable')} missing (${few(missing)})`] : []),
      ...(over.length > 0 ? [`${over.length} left over (${few(over)})`] : []),
    ];
    const nearest = nearestName(over[0] ?? '', missing);
    const hint = nearest === undefined ? '' : `; ${over[0]} may be ${nearest}`;
    throw new UserError(
      `${what}: expected the model's ${counted(paths.length, 'variable')}, got ${parts.join(' and ')}${hint}`,
    );
  }
  for (const { path, shape } of variables) {
    const got = weights[path]?.shape ?? [];
    if (String(got) === String(shape)) continue;
    throw new UserError(`${what}: ${path}: expected shape ${show(shape)}, got ${show(got)}`);
  }
  return tensors;
}

function few(names: readonly string[]): string {
  return names.length > 4 ? `${names.slice(0, 4).join(', ')}, …` : names.join(', ');
}
