/** An inspection in words, for terminals and pages. Pure: also for browsers. */
import { counted, grouped } from '../counted.ts';
import { tensorInfo } from './decode-tensor.ts';
import type { Inspection } from './inspect.ts';
import type { OnnxModel } from './onnx-model.ts';

/** A file in a line: its size, who wrote it, its opsets and how many nodes it has. */
export function fileText({ producer, opsets, nodes }: Inspection, bytes: number): string {
  const sets = Object.entries(opsets).map(([domain, version]) => `${domain} ${version}`);
  const made = producer === '' ? [] : [`from ${producer}`];
  return [`${(bytes / 1e6).toFixed(1)} MB`, ...made, ...sets, counted(nodes, 'node')].join(', ');
}

/** `Conv 53, Relu 49`: those that training cannot pass through are marked. */
export function operatorsText({ operators: all }: Inspection): string {
  const told = all
    .map(({ name, count, differentiable }) => `${name}${differentiable ? '' : '*'} ${count}`)
    .join(', ');
  const isMarked = all.some(({ differentiable }) => !differentiable);
  return isMarked ? `${told} (*: runs, but is not trained through)` : told;
}

const MOST_GROUPS = 16;

/** Numbers of the float tensors, by the beginnings of their names: as many parts of those as give few groups. */
export function parameterLines({ initializers }: OnnxModel): string[] {
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
export function verdictText({ training, problem = '' }: Pick<Inspection, 'training' | 'problem'>): string {
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
