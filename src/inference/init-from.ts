/**
 * A model that starts from weights of a safetensors file: ortgrad's own, or those of another library that
 * `foreign-names/` has a table for. Pure: also for browsers.
 */
import { show as quote, UserError } from '../errors.ts';
import { sameShape, show, sizeOf } from '../onnx/shapes.ts';
import type { NamedTensor } from '../storage/safetensors.ts';
import { NAMINGS } from './foreign-names/index.ts';
import type { Naming, Source } from './foreign-names/naming.ts';
import { type Grid, resamplePositions } from './resample-positions.ts';

/** A variable of the model that starts: `Variable` and an entry of a manifest are such. */
export interface WantedVariable {
  readonly path: string;
  readonly shape: readonly number[];
}

/** Where the weights come from, and what the model is that the file cannot say. */
export interface InitFromOptions {
  /** The file, as errors name it. */
  readonly origin: string;
  /** The model's grid of patches; square by default. */
  readonly grid?: Grid;
}

/** What variables start from. */
export interface InitialWeights {
  /** Whose names the file has: `ortgrad`, `timm's ViT` and so on (foreign-names/). */
  readonly naming: string;
  /** By path. A variable that is not here keeps its own start. Not to be changed: some are views of the file. */
  readonly values: ReadonlyMap<string, Float32Array>;
  /** What a user should know: each one line. */
  readonly notes: readonly string[];
}

/** A tensor of the file, as a variable has it here. */
interface Converted {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What becomes of a variable: its values, why it has none, or that it is a head that keeps its start. */
type Fate =
  | { readonly data: Float32Array; readonly note?: string }
  | { readonly problem: string }
  | 'keeps its start';

/**
 * The values that variables start from, out of the tensors of a file. timm's names and layouts become those of `vit`,
 * `swin` and `cait`, Hugging Face's those of `vit`, torchvision's those of `resnet` and `vgg`. Positions of another grid are interpolated (resample-positions.ts; the class token's stays). A head of
 * another number of classes, or none, leaves `head` at its own start, and the notes say so. Throws UserError with the
 * list of what is missing, left over or of another shape; for patches of another size; and where the names are of none
 * of these.
 */
export function initFrom(
  tensors: readonly NamedTensor[],
  wanted: readonly WantedVariable[],
  { origin, grid }: InitFromOptions,
): InitialWeights {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const names = new Set(byName.keys());
  const naming = namingOf(names, wanted, origin);
  const values = new Map<string, Float32Array>();
  const notes: string[] = [];
  const missing: string[] = [];
  const misfits: string[] = [];
  const head: WantedVariable[] = [];
  const used = new Set<string>();
  for (const variable of wanted) {
    const { path } = variable;
    const source = naming.source(path, names);
    const tensor = source && byName.get(source.name);
    if (!source || !tensor) {
      if (isHead(path)) head.push(variable);
      else missing.push(source && source.name !== path ? `${path} (${source.name})` : path);
      continue;
    }
    used.add(source.name);
    const fate = fateOf(variable, tensor, source, wanted, grid);
    if (fate === 'keeps its start') head.push(variable);
    else if ('problem' in fate) misfits.push(fate.problem);
    else {
      values.set(path, fate.data);
      if (fate.note) notes.push(fate.note);
    }
  }
  const rest = [...names].filter((name) => !used.has(name));
  const leftOver = rest.filter((name) => !naming.unused?.test(name));
  expectFit({ missing, leftOver, misfits }, origin, naming);
  if (rest.length > 0) notes.push(`not used: ${rest.join(', ')}`);
  if (head.length > 0) notes.push(headNote(head));
  if (naming.differs) notes.push(naming.differs);
  return { naming: naming.name, values, notes };
}

function fateOf(
  { path, shape }: WantedVariable,
  tensor: NamedTensor,
  source: Source,
  wanted: readonly WantedVariable[],
  grid: Grid | undefined,
): Fate {
  const converted = convert(tensor, source, shape.length);
  if (!converted) return { problem: `${source.name} is not float32` };
  if (sameShape(converted.shape, shape)) return { data: converted.data };
  const has = (other: string): boolean => wanted.some((each) => each.path === other);
  const hasSame = (axis: number): boolean => converted.shape[axis] === shape[axis];
  if (isHead(path) && (shape.length === 1 || hasSame(0))) return 'keeps its start';
  if (path === 'embed/kernel' && hasSame(1)) return { problem: otherPatches(tensor, converted, shape) };
  if (path === 'positions' && hasSame(1) && has('embed/kernel')) {
    // CaiT's class token has no position.
    const isAllGrid = grid ? grid[0] * grid[1] === shape[0] : squareOf(shape[0] ?? 0) !== undefined;
    const resampled = resample(converted, shape, has('cls') && !isAllGrid ? 1 : 0, grid);
    if (typeof resampled === 'string') return { problem: `${source.name} ${resampled}` };
    return { data: resampled.data, note: `${path}: interpolated from ${resampled.said}` };
  }
  return { problem: `${source.name} is ${show(tensor.shape)}, ${path} ${show(shape)}` };
}

function namingOf(names: ReadonlySet<string>, wanted: readonly WantedVariable[], origin: string): Naming {
  const paths = wanted.map(({ path }) => path);
  const naming = NAMINGS.find((each) => each.matches(names, paths));
  if (naming) return naming;
  throw new UserError(
    `${origin}: expected the names of ${NAMINGS.map(({ name }) => name).join(', ')}, got ${listed([...names].map(quote), 3)}`,
  );
}

const isHead = (path: string): boolean => /^head\/(kernel|bias)$/.test(path);

/** The tensor in the layout of a variable of this rank; undefined where it is not float32. */
function convert({ shape, data }: NamedTensor, source: Source, rank: number): Converted | undefined {
  if (!(data instanceof Float32Array)) return undefined;
  const part = partOf({ shape, data }, source.part);
  if (source.isConvolution) return channelsLast(part);
  if (source.isWeight) return transposed(part);
  // timm's and Hugging Face's tokens and positions have axes of 1 in front, for the batch.
  let kept = part.shape;
  while (kept.length > rank && kept[0] === 1) kept = kept.slice(1);
  return { shape: kept, data: part.data };
}

function partOf({ shape, data }: Converted, part: Source['part']): Converted {
  const [rows = 0, ...rest] = shape;
  if (!part || rows % part[1] !== 0) return { shape, data };
  const [index, of] = part;
  const size = data.length / of;
  return { shape: [rows / of, ...rest], data: data.subarray(index * size, (index + 1) * size) };
}

/** PyTorch's weight [out, in…] as a kernel [in, out]: a patch's numbers are in (channel, row, column) order in both. */
function transposed({ shape: [rows = 1, ...rest], data }: Converted): Converted {
  const columns = sizeOf(rest);
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      out[column * rows + row] = data[row * columns + column] ?? 0;
    }
  }
  return { shape: [columns, rows], data: out };
}

/** PyTorch's weight [out, in, rows, columns] as a kernel [rows, columns, in, out]. */
function channelsLast({ shape: [out = 1, ...rest], data }: Converted): Converted {
  const [inputs = 1, rows = 1, columns = 1] = rest;
  const each = transposed({ shape: [out, inputs, rows * columns], data });
  const kernel = new Float32Array(data.length);
  const field = rows * columns;
  for (let i = 0; i < inputs; i++) {
    for (let place = 0; place < field; place++) {
      const from = (i * field + place) * out;
      kernel.set(each.data.subarray(from, from + out), (place * inputs + i) * out);
    }
  }
  return { shape: [rows, columns, inputs, out], data: kernel };
}

function otherPatches(tensor: NamedTensor, { shape: [got = 0] }: Converted, [wanted = 0]: readonly number[]) {
  const sizes = tensor.shape.length === 4 ? ` (${tensor.shape.slice(1).join(' × ')})` : '';
  return `its patches have ${got} numbers${sizes}, the model's ${wanted}: patches of another size cannot be converted, so set the model's patch to the file's`;
}

/** The positions for another grid, or what is wrong with them. */
function resample(
  { shape: [rows = 0, width = 0], data }: Converted,
  [wantedRows = 0]: readonly number[],
  prefix: number,
  grid: Grid | undefined,
): { readonly data: Float32Array; readonly said: string } | string {
  const from = squareOf(rows - prefix);
  if (!from) return `has ${rows - prefix} positions, which are no square grid`;
  const to = grid ?? squareOf(wantedRows - prefix);
  if (!to || to[0] * to[1] !== wantedRows - prefix) {
    return `cannot be interpolated to ${wantedRows - prefix} positions without the rows and columns of their grid`;
  }
  const said = `a grid of ${from.join(' × ')} to ${to.join(' × ')}`;
  return { data: resamplePositions(data, { prefix, width, from, to }), said };
}

function squareOf(count: number): Grid | undefined {
  const side = Math.round(Math.sqrt(count));
  return side > 0 && side * side === count ? [side, side] : undefined;
}

function headNote(head: readonly WantedVariable[]): string {
  const paths = head.map(({ path }) => path).join(', ');
  return `${paths}: the file has none for ${head.at(-1)?.shape.at(-1)} classes; left at the start`;
}

function expectFit(
  { missing, leftOver, misfits }: Readonly<Record<'missing' | 'leftOver' | 'misfits', readonly string[]>>,
  origin: string,
  { name }: Naming,
): void {
  const said = [
    ...(misfits.length > 0 ? [listed(misfits, 10)] : []),
    ...(missing.length > 0 ? [`missing ${listed(missing, 20)}`] : []),
    ...(leftOver.length > 0 ? [`left over ${listed(leftOver, 20)}`] : []),
  ];
  if (said.length === 0) return;
  throw new UserError(
    `${origin}: the file (names of ${name}) does not fit the model: ${said.join('; ')}; give the model the file's sizes`,
  );
}

function listed(items: readonly string[], most: number): string {
  const more = items.length - most;
  return items.slice(0, most).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
