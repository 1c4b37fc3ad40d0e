/** `ortgrad inspect`: what an ONNX file is, what of it can be trained, and what stands in the way. */
import { type OptionTable, text } from '../config/options.ts';
import { counted, grouped } from '../counted.ts';
import { messageOf, UserError } from '../errors.ts';
import { tensorInfo } from '../import/decode-tensor.ts';
import { type ImportedModel, importModel } from '../import/import-model.ts';
import { lowering } from '../import/interpret.ts';
import { type OnnxModel, readModel, showType } from '../import/onnx-model.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { naming, readOnnx } from '../tasks/imported.node.ts';
import { COMMON_FLAGS, helpText, parseFlags, WIDTH, wrap } from './flags.ts';
import { sizesOf } from './imported-spec.ts';
import { print } from './print.ts';
import { typed } from './typed.ts';

const TABLE = {
  trainable: text({
    group: 'Inspection',
    help: 'Regular expression: what could be trained if only the parameters whose names it finds were.',
    placeholder: 'PATTERN',
    default: undefined,
    unset: 'all',
  }),
  output: text({
    group: 'Inspection',
    help: 'The output that is trained for.',
    placeholder: 'NAME',
    default: undefined,
    unset: 'all',
  }),
  dim: text({
    group: 'Inspection',
    help: 'Sizes of named dimensions other than the batch: sequence=128, several with commas.',
    placeholder: 'NAME=N,…',
    default: undefined,
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

export async function inspect(argv: readonly string[]): Promise<void> {
  const { values, rest } = parseFlags(argv, TABLE, 1);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          'Tells what an ONNX file is: operators, inputs and outputs, parameters by groups, what of it can be trained, and what stands in the way.',
        usage: typed('inspect', 'FILE [--trainable PATTERN]'),
        examples: [typed('inspect', 'model.onnx'), typed('inspect', "model.onnx --trainable '^head'")],
      }),
    );
    return;
  }
  const [file] = rest;
  if (file === undefined) throw new UserError('expected an ONNX file, for example model.onnx');
  const { bytes, external } = await readOnnx(file);
  const model = naming(file, () => readModel(bytes, external));
  say(`${file}: ${(bytes.length / 1e6).toFixed(1)} MB, ${origin(model)}`);
  for (const input of model.inputs) say(`input ${input.name}: ${showType(input)}`);
  for (const name of model.outputs) {
    const type = model.types.get(name);
    say(`output ${name}${type ? `: ${showType(type)}` : ''}`);
  }
  say(`operators: ${operators(model)}`);
  for (const line of parameters(model)) say(line);
  say(verdict(() => importModel(bytes, { ...optionsOf(values), external })));
}

/** Prints a text in lines of 100 columns. */
function say(text: string): void {
  const [first = '', ...others] = wrap(text, WIDTH - 2);
  print(first);
  for (const line of others) print(`  ${line}`);
}

function optionsOf({ trainable, output, dim }: { trainable?: string; output?: string; dim?: string }) {
  return {
    ...(trainable !== undefined && { trainable }),
    ...(output !== undefined && { outputs: [output] }),
    ...(dim !== undefined && { dims: sizesOf(dim) }),
  };
}

function origin({ proto, nodes }: OnnxModel): string {
  const made = [proto.producerName, proto.producerVersion].filter((part) => part !== '').join(' ');
  const sets = proto.opsetImport.map(
    ({ domain, version }) => `${domain === '' ? 'opset' : domain} ${version}`,
  );
  return [...(made === '' ? [] : [`from ${made}`]), ...sets, counted(nodes.length, 'node')].join(', ');
}

/** `Conv 53, Relu 49`: the most frequent first; those that training cannot pass through are marked. */
function operators({ nodes }: OnnxModel): string {
  const counts = new Map<string, { count: number; known: boolean }>();
  for (const node of nodes) {
    const name = node.domain === '' ? node.op : `${node.domain}.${node.op}`;
    const known = lowering(node) !== undefined || (node.domain === '' && ALWAYS_KNOWN.has(node.op));
    counts.set(name, { count: (counts.get(name)?.count ?? 0) + 1, known });
  }
  const all = [...counts].sort(([, a], [, b]) => b.count - a.count);
  const told = all.map(([name, { count, known }]) => `${name}${known ? '' : '*'} ${count}`).join(', ');
  return all.some(([, { known }]) => !known) ? `${told} (*: runs, but is not trained through)` : told;
}

/** What the reader itself does with, without a lowering. */
const ALWAYS_KNOWN = new Set(['Constant', 'Identity', 'Shape', 'Size', 'ConstantOfShape', 'Range']);

const MOST_GROUPS = 16;

/** Numbers of the float tensors, by the beginnings of their names: as many parts of those as give few groups. */
function parameters({ initializers }: OnnxModel): string[] {
  const floats = [...initializers].flatMap(([name, tensor]) => {
    const info = tensorInfo(tensor, name);
    return info?.dtype === 'float32' && info.shape.length > 0 ? [{ name, size: sizeOf(info.shape) }] : [];
  });
  const groupsOf = (depth: number): Map<string, number[]> => {
    const groups = new Map<string, number[]>();
    for (const { name, size } of floats) {
      const parts = name.split(/(?<=[./])/);
      const group = parts.length > 1 ? parts.slice(0, Math.min(depth, parts.length - 1)).join('') : name;
      groups.set(group, [...(groups.get(group) ?? []), size]);
    }
    return groups;
  };
  let groups = groupsOf(1);
  for (let depth = 2; groups.size < 4 && depth < 6; depth++) {
    const finer = groupsOf(depth);
    if (finer.size <= MOST_GROUPS) groups = finer;
  }
  const sum = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0);
  const total = sum(floats.map(({ size }) => size));
  const shown = [...groups].slice(0, MOST_GROUPS);
  const more = groups.size - shown.length;
  return [
    `parameters: ${grouped(total)} in ${counted(floats.length, 'tensor')}`,
    ...shown.map(
      ([name, sizes]) => `  ${name.replace(/[./]$/, '')}: ${grouped(sum(sizes))} in ${sizes.length}`,
    ),
    ...(more > 0 ? [`  and ${counted(more, 'group')} more`] : []),
  ];
}

/** What can be trained, or the line that says what stands in the way. */
function verdict(imported: () => ImportedModel): string {
  try {
    const { variables, trunk, notes } = imported();
    const trained = variables.filter(({ role }) => role === 'trainable');
    if (trained.length === 0) return 'nothing trains: the pattern finds none of the parameters';
    const numbers = trained.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    const before = trunk ? `; ${counted(trunk.nodes, 'node')} before them run as they are` : '';
    const said = notes.map((note) => `; note: ${note}`).join('');
    return `can be trained: ${grouped(numbers)} numbers in ${counted(trained.length, 'tensor')}${before}${said}`;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return `cannot be trained so: ${messageOf(error).replace(/^import: /, '')}`;
  }
}
