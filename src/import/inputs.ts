/** The inputs of a file as fields: which axis is the batch, and which sizes the caller must give. */
import { UserError } from '../errors.ts';
import type { Dim, DType } from '../onnx/value.ts';
import { ELEMENT_TYPES, typeName } from './element-types.ts';
import type { ValueType } from './entry.ts';
import { type Declared, type DeclaredType, type OnnxModel, showType } from './onnx-model.ts';

export interface BoundInputs {
  /** With a symbolic batch. */
  readonly types: ReadonlyMap<string, ValueType>;
  /** The batch that the file was exported for, where it names one size. */
  readonly fixedBatch: number | undefined;
  /** The names that stand for the batch. */
  readonly batchNames: ReadonlySet<string>;
}

/** Sizes by the names that the file gives them. */
export type Sizes = Readonly<Record<string, number>>;

/**
 * The types of the inputs. The first axis of each is the batch; other sizes that the file leaves open are those of
 * `sizes`, by their names, or by `input[axis]` where they have none. Throws UserError that names all that are missing.
 */
export function bindInputs({ inputs }: OnnxModel, sizes: Sizes): BoundInputs {
  if (inputs.length === 0) throw new UserError('import: expected a model with an input, got none');
  const firsts = inputs.map((input) => firstAxis(input));
  const numbers = [...new Set(firsts.filter((dim) => typeof dim === 'number'))];
  const isOpen = firsts.some((dim) => typeof dim !== 'number');
  if (numbers.length > 1 || (isOpen && numbers.some((dim) => dim !== 1))) {
    throw new UserError(
      `import: expected the batch as the first axis of every input, got ${inputs.map((input) => `${input.name} ${showType(input)}`).join(', ')}${ADVICE}`,
    );
  }
  const batchNames = new Set(firsts.filter((dim) => typeof dim === 'string'));
  const missing: string[] = [];
  const types = new Map<string, ValueType>();
  for (const input of inputs) types.set(input.name, boundType(input, { sizes, batchNames, missing }));
  if (missing.length > 0) throw unbound(missing);
  return { types, batchNames, fixedBatch: isOpen ? undefined : numbers[0] };
}

/** What to do about an input that has no batch. */
const ADVICE = '; for one that is always the same number give fix, for example { "state": 0 }';

function firstAxis(input: Declared): number | string | undefined {
  if (!input.shape) {
    throw new UserError(
      `import: input ${input.name}: expected a tensor of known rank, got ${showType(input)}; export the model with a shape for it`,
    );
  }
  if (input.shape.length > 0) return input.shape[0];
  throw new UserError(
    `import: input ${input.name}: expected the batch as its first axis, got one ${typeName(input.dataType)}${ADVICE}`,
  );
}

interface Binding {
  readonly sizes: Sizes;
  readonly batchNames: ReadonlySet<string>;
  readonly missing: string[];
}

function boundType(input: Declared, binding: Binding): ValueType {
  const shape = (input.shape ?? []).map((dim, axis): Dim => {
    if (axis === 0 || (typeof dim === 'string' && binding.batchNames.has(dim))) return 'batch';
    if (typeof dim === 'number') return dim;
    const name = dim ?? `${input.name}[${axis}]`;
    const size = Object.hasOwn(binding.sizes, name) ? binding.sizes[name] : undefined;
    if (size !== undefined) return size;
    if (!binding.missing.includes(name)) binding.missing.push(name);
    return 1;
  });
  return { dtype: dtypeOf(input), shape };
}

function dtypeOf(input: Declared): DType {
  const type = ELEMENT_TYPES[input.dataType];
  if (type) return type.dtype;
  throw new UserError(`import: input ${input.name}: expected numbers, got ${typeName(input.dataType)}`);
}

/** Sizes that people choose, by parts of their names. */
const USUAL: readonly (readonly [RegExp, number])[] = [
  [/seq|len|token|time/i, 128],
  [/height|width|\[[23]\]/i, 224],
];

/** A size that people often choose for a dimension of this name. */
export function usualSize(name: string): number {
  return USUAL.find(([part]) => part.test(name))?.[1] ?? 64;
}

function unbound(names: readonly string[]): UserError {
  const example = names.map((name) => `${JSON.stringify(name)}: ${usualSize(name)}`);
  return new UserError(
    `import: expected sizes for ${names.join(', ')}, which the file leaves open; graphs for training are static: give dims, for example { ${example.join(', ')} }`,
  );
}

/** A declared type with its open sizes bound, undefined where the file says too little. */
export function boundDeclared(
  type: DeclaredType | undefined,
  { batchNames, fixedBatch }: BoundInputs,
  sizes: Sizes,
): ValueType | undefined {
  const element = type && ELEMENT_TYPES[type.dataType];
  if (!element || !type.shape) return undefined;
  const shape: Dim[] = [];
  for (const [axis, dim] of type.shape.entries()) {
    const isBatch = typeof dim === 'string' && batchNames.has(dim);
    if (isBatch || (axis === 0 && fixedBatch !== undefined && dim === fixedBatch)) shape.push('batch');
    else if (typeof dim === 'number') shape.push(dim);
    else if (dim !== undefined && Object.hasOwn(sizes, dim)) shape.push(sizes[dim] ?? 1);
    else return undefined;
  }
  return { dtype: element.dtype, shape };
}
