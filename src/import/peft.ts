/**
 * Adapters in PEFT's layout (https://github.com/huggingface/peft): `adapter_config.json`, and tensors named
 * `base_model.model.<module>.lora_A.weight` and `.lora_B.weight`, of the same shapes as here. Pure: also for browsers.
 */
import * as v from 'valibot';
import { mismatch, show as quote, UserError } from '../errors.ts';
import { sameShape, show } from '../onnx/shapes.ts';
import type { ImportedModel } from './import-model.ts';
import { type Adapter, adapterPaths } from './lora.ts';

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';
const PREFIX = 'base_model.model.';

/** A tensor of a file. */
interface PeftTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: object;
}

/** What the files say beside the adapters' numbers. */
export interface PeftOptions extends PeftConfig {
  /** What trained besides: parameters of modules that PEFT saves whole, such as a new head. */
  readonly others?: readonly { readonly path: string; readonly shape: readonly number[] }[];
}

/**
 * The contents of the two files. `values` are the variables by path. Throws UserError where something trained that has no
 * name of PyTorch's, `module.weight` or `module.bias`.
 */
export function peftFiles(
  adapters: readonly Adapter[],
  values: ReadonlyMap<string, Float32Array>,
  { rank, alpha, others = [] }: PeftOptions,
): {
  readonly config: Record<string, unknown>;
  readonly tensors: readonly (PeftTensor & { readonly data: Float32Array })[];
} {
  const tensors = adapters.flatMap((adapter) => {
    const paths = adapterPaths(adapter);
    return (['a', 'b'] as const).map((part) => {
      return {
        name: nameOf(adapter, part),
        shape: adapter.shapes[part],
        data: numbersOf(values, paths[part]),
      };
    });
  });
  const whole = others.map(({ path, shape }) => ({
    name: `${PREFIX}${path}`,
    shape,
    data: numbersOf(values, path),
  }));
  const config = {
    peft_type: 'LORA',
    task_type: null,
    base_model_name_or_path: null,
    inference_mode: true,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    target_modules: adapters.map(({ module }) => module),
    modules_to_save: whole.length > 0 ? [...new Set(others.map(({ path }) => moduleIn(path)))] : null,
    bias: 'none',
    fan_in_fan_out: false,
    use_rslora: false,
    use_dora: false,
  };
  return { config, tensors: [...tensors, ...whole] };
}

/**
 * The contents of the two files of a model that trained, `lora` being how its adapters were asked for. Throws UserError as
 * `peftFiles` does, and where there are no adapters.
 */
export function adapterFiles(
  { adapters, variables }: Pick<ImportedModel, 'adapters' | 'variables'>,
  values: ReadonlyMap<string, Float32Array>,
  lora: PeftConfig | undefined,
): ReturnType<typeof peftFiles> {
  if (!lora)
    throw new UserError('--adapters: the run trained no adapters (ortgrad artifacts --lora); leave it out');
  const others = variables.filter(({ role, path }) => role === 'trainable' && !/\/lora_[AB]$/.test(path));
  return peftFiles(adapters, values, { ...lora, others });
}

function numbersOf(values: ReadonlyMap<string, Float32Array>, path: string): Float32Array {
  const data = values.get(path);
  if (data) return data;
  throw new UserError(`${path}: expected its numbers among those that trained, got none`);
}

function moduleIn(path: string): string {
  const [, module] = /^(.+)\.(?:weight|bias)$/.exec(path) ?? [];
  if (module !== undefined) return module;
  throw new UserError(
    `--adapters: ${path} trained too, and has no name that PEFT knows, module.weight or module.bias; write the merged file instead (--merge)`,
  );
}

function nameOf({ module }: Pick<Adapter, 'module'>, part: 'a' | 'b'): string {
  return `${PREFIX}${module}.lora_${part.toUpperCase()}.weight`;
}

const Config = v.object({
  peft_type: v.literal('LORA'),
  r: v.pipe(v.number(), v.integer(), v.minValue(1)),
  lora_alpha: v.pipe(v.number(), v.gtValue(0)),
  /** A list of the ends of modules' names, or a regular expression. */
  target_modules: v.union([v.array(v.string()), v.string()]),
  bias: v.optional(v.literal('none')),
  use_rslora: v.optional(v.boolean(), false),
  use_dora: v.optional(v.literal(false)),
  rank_pattern: v.optional(v.pipe(v.record(v.string(), v.unknown()), v.maxEntries(0))),
  alpha_pattern: v.optional(v.pipe(v.record(v.string(), v.unknown()), v.maxEntries(0))),
});

/** What a config says of adapters. */
export interface PeftConfig {
  readonly rank: number;
  /** As it multiplies alpha / rank: with `use_rslora`, which divides by the root of the rank, alpha·√rank. */
  readonly alpha: number;
}

/** Throws UserError for a config of something else than LoRA with one rank and without biases. */
export function parsePeftConfig(json: unknown, origin: string): PeftConfig {
  const result = v.safeParse(Config, json);
  if (!result.success) {
    const [issue] = result.issues;
    throw new UserError(`${origin}: ${v.getDotPath(issue) ?? 'file'}: ${mismatch(issue)}`);
  }
  const { r, lora_alpha: alpha, use_rslora: isRootScaled } = result.output;
  return { rank: r, alpha: isRootScaled ? alpha * Math.sqrt(r) : alpha };
}

/** What a file of adapters is of: modules with adapters, and parameters of modules that were saved whole. */
export function peftNames(
  tensors: readonly PeftTensor[],
  origin: string,
): { readonly modules: readonly string[]; readonly others: readonly string[] } {
  const names = tensors.map(({ name }) => name.replace(PREFIX, ''));
  const modules = names.flatMap((name) => /^(.+)\.lora_A\.weight$/.exec(name)?.[1] ?? []);
  if (modules.length === 0)
    throw new UserError(`${origin}: expected adapters, module.lora_A.weight, got none`);
  return { modules, others: names.filter((name) => !/\.lora_[AB]\.weight$/.test(name)) };
}

/**
 * The variables of adapters, by path, from a file's tensors, and those of modules that were saved whole. Throws UserError
 * for adapters that are missing or of another shape, and for tensors that are of none.
 */
export function adapterWeights(
  adapters: readonly Adapter[],
  others: ReadonlyMap<string, readonly number[]>,
  tensors: readonly PeftTensor[],
  origin: string,
): Map<string, Float32Array> {
  const left = new Map(tensors.map((tensor) => [tensor.name.replace(PREFIX, ''), tensor]));
  const values = new Map<string, Float32Array>();
  for (const adapter of adapters) {
    for (const part of ['a', 'b'] as const) {
      const name = nameOf(adapter, part).replace(PREFIX, '');
      const tensor = left.get(name);
      const wanted = adapter.shapes[part];
      if (!tensor || !sameShape(tensor.shape, wanted) || !(tensor.data instanceof Float32Array)) {
        throw new UserError(
          `${origin}: ${name}: expected float32 ${show(wanted)}, got ${tensor ? show(tensor.shape) : 'none'}`,
        );
      }
      left.delete(name);
      values.set(adapterPaths(adapter)[part], tensor.data);
    }
  }
  for (const [name, { shape, data }] of left) {
    const wanted = others.get(name);
    if (!wanted || !sameShape(shape, wanted) || !(data instanceof Float32Array)) continue;
    left.delete(name);
    values.set(name, data);
  }
  const [other] = left.keys();
  if (other === undefined) return values;
  throw new UserError(
    `${origin}: ${quote(other)} is of no adapter of this file; choose the file that it was trained on`,
  );
}
