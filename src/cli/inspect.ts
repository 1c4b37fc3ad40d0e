/** `ortgrad inspect`: what an ONNX file is, what of it can be trained, and what stands in the way. */
import { type OptionTable, type OptionValues, text } from '../config/options.ts';
import { counted, grouped } from '../counted.ts';
import { UserError } from '../errors.ts';
import { tensorInfo } from '../import/decode-tensor.ts';
import { type Inspection, inspectSource } from '../import/inspect.ts';
import { type OnnxModel, readModel } from '../import/onnx-model.ts';
import type { ImportOptions } from '../import/plan.ts';
import { naming, readOnnx } from '../tasks/imported.node.ts';
import { COMMON_FLAGS, helpText, parseFlags, WIDTH, wrap } from './flags.ts';
import { aboutInputs, inputFlags } from './imported-spec.ts';
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
  ...inputFlags('Inspection'),
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
  const { source, inspected } = naming(file, () => {
    const read = readModel(bytes, external);
    return { source: read, inspected: inspectSource(read, { ...optionsOf(values), external }) };
  });
  const { producer, opsets, nodes, inputs, outputs, openSizes } = inspected;
  const sets = Object.entries(opsets).map(([domain, version]) => `${domain} ${version}`);
  const made = producer === '' ? [] : [`from ${producer}`];
  say(
    `${file}: ${[`${(bytes.length / 1e6).toFixed(1)} MB`, ...made, ...sets, counted(nodes, 'node')].join(', ')}`,
  );
  for (const [name, type] of Object.entries(inputs)) say(`input ${name}: ${type}`);
  for (const [name, type] of Object.entries(outputs)) say(`output ${name}: ${type}`);
  if (openSizes.length > 0) say(`sizes to be given with --dim: ${openSizes.join(', ')}`);
  say(`operators: ${operators(inspected)}`);
  for (const line of parameters(source)) say(line);
  say(verdict(inspected));
}

/** Prints a text in lines of 100 columns. */
function say(text: string): void {
  const [first = '', ...others] = wrap(text, WIDTH - 2);
  print(first);
  for (const line of others) print(`  ${line}`);
}

function optionsOf({
  trainable,
  output,
  ...inputs
}: Pick<OptionValues<typeof TABLE>, 'trainable' | 'output' | 'dim' | 'fix'>): ImportOptions {
  return {
    ...(trainable !== undefined && { trainable }),
    ...(output !== undefined && { outputs: [output] }),
    ...aboutInputs(inputs),
  };
}

/** `Conv 53, Relu 49`: those that training cannot pass through are marked. */
function operators({ operators: all }: Inspection): string {
  const told = all
    .map(({ name, count, differentiable }) => `${name}${differentiable ? '' : '*'} ${count}`)
    .join(', ');
  const isMarked = all.some(({ differentiable }) => !differentiable);
  return isMarked ? `${told} (*: runs, but is not trained through)` : told;
}

const MOST_GROUPS = 16;

/** Numbers of the float tensors, by the beginnings of their names: as many parts of those as give few groups. */
function parameters({ initializers }: OnnxModel): string[] {
  const floats = [...initializers].flatMap(([name, tensor]) => {
    const info = tensorInfo(tensor, name);
    return info?.dtype === 'float32' && info.shape.length > 0 ? [{ name, size: info.size }] : [];
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
function verdict({ training, problem = '' }: Inspection): string {
  if (!training) return `cannot be trained so: ${problem.replace(/^import: /, '')}`;
  const { variables, trainable, frozen, trunk, notes } = training;
  const trained = variables.filter(({ role }) => role === 'trainable');
  if (trained.length === 0) return 'nothing trains: the pattern finds none of the parameters';
  const before = trunk
    ? `; ${counted(trunk.nodes, 'node')} before them run as they are, up to ${trunk.features.join(', ')}`
    : '';
  const stays = frozen > 0 ? `; ${grouped(frozen)} numbers stay` : '';
  const said = notes.map((note) => `; note: ${note}`).join('');
  return `can be trained: ${grouped(trainable)} numbers in ${counted(trained.length, 'tensor')}${stays}${before}${said}`;
}
