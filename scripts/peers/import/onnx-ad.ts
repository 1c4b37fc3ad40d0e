/** What PyPI `onnx-ad` makes of a file: the gradient of a loss, and products of its Hessian. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { distance } from './distance.ts';
import { dataOf, joined, type Numbers, normal, rows, runBytes, type Tensors } from './original.ts';

export interface Question {
  readonly python: string;
  readonly file: Uint8Array;
  /** Shapes, as onnx_ad_second.py takes them. */
  readonly about: object;
  /** The examples of each run. */
  readonly parts: readonly (readonly [from: number, to: number])[];
  readonly data: Tensors;
  readonly fixed: Tensors;
  /** What each output is weighed with in the loss. */
  readonly seeds: Tensors;
  readonly weights: Numbers;
  readonly tensors: (numbers: Numbers) => Tensors;
  /** What is judged: our gradient g, and that of |g|². */
  readonly gradient: Numbers;
  readonly second: Numbers;
}

export interface Verdict {
  readonly gradient: number;
  readonly second: number;
  /** Why the second is compared along random directions only; empty where all of it is. */
  readonly refusal: string;
}

/** How far our derivatives are from those of `onnx-ad`. Throws where it refuses the file. */
export async function besideOnnxAd(question: Question): Promise<Verdict> {
  const { gradient, second, tensors, weights } = question;
  const { first, twice, refusal } = derived(question);
  const found = await summed(question, first, 'adj_', {});
  const along = withSeedAxis('fwd_', tensors(gradient));
  const halved = joined(second).map((x) => x / 2);
  const verdict = { gradient: distance(joined(gradient), inOrder(gradient, found)), refusal };
  if (refusal === '') {
    const products = await summed(question, twice, 'fwd_adj_', along);
    return { ...verdict, second: distance(halved, inOrder(gradient, products)) };
  }
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let i = 0; i < DIRECTIONS; i++) {
    const direction = new Map(
      [...weights].map(([path, { length }], j) => [path, normal([length], 1000 * (i + 1) + j)]),
    );
    const both = { ...along, ...withSeedAxis('fwd2_', tensors(direction)) };
    const curvatures = await summed(question, twice, 'fwd2_fwd_', both);
    theirs.push([...curvatures.values()].reduce((sum, [x = 0]) => sum + x, 0));
    ours.push(
      [...gradient.keys()].reduce((sum, path) => sum + dot(second.get(path), direction.get(path)) / 2, 0),
    );
  }
  return { ...verdict, second: distance(ours, theirs) };
}

/** Random directions along which the Hessian's product is compared where onnx-ad does not give all of it. */
const DIRECTIONS = 3;

/**
 * What a model gives under names with a prefix, without it, summed over the runs. What it gives of an output is weighed as
 * the loss weighs that.
 */
async function summed(
  { parts, data, fixed, seeds, tensors, weights }: Question,
  bytes: Uint8Array,
  prefix: string,
  more: Tensors,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const sums = new Map<string, number[]>();
  for (const [from, to] of parts) {
    const r = rows(seeds, from, to);
    const given = { ...rows(data, from, to), ...fixed, ...tensors(weights), ...more };
    const results = await runBytes(bytes, { ...given, ...withSeedAxis('adj_', r, '_z') });
    for (const name of Object.keys(results).filter((each) => each.startsWith(prefix))) {
      const key = name.slice(prefix.length);
      const weigh = r[key.replace(/_z$/, '')];
      const now = dataOf(results, name);
      const part = weigh ? [dot(now, Float32Array.from(weigh.data, Number))] : [...now];
      const before = sums.get(key) ?? [];
      sums.set(
        key,
        part.map((x, i) => x + (before[i] ?? 0)),
      );
    }
  }
  return sums;
}

const inOrder = (order: Numbers, sums: ReadonlyMap<string, readonly number[]>): Float32Array =>
  joined(new Map([...order].map(([path]) => [path, Float32Array.from(sums.get(path) ?? [])])));

function dot(a: Float32Array = new Float32Array(), b: Float32Array = new Float32Array()): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
}

function derived({ python, file: bytes, about }: Question): {
  readonly first: Uint8Array;
  readonly twice: Uint8Array;
  readonly refusal: string;
} {
  const folder = mkdtempSync(join(tmpdir(), 'onnx-ad-'));
  const file = (name: string): string => join(folder, name);
  try {
    writeFileSync(file('model.onnx'), bytes);
    writeFileSync(file('about.json'), JSON.stringify(about));
    const script = new URL('onnx_ad_second.py', import.meta.url).pathname;
    const refusal = execFileSync(python, [script, folder], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [first, twice] = [readFileSync(file('first.onnx')), readFileSync(file('second.onnx'))];
    return { first, twice, refusal: refusal.trim() };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Tensors under other names, with an axis of one seed behind their own. */
const withSeedAxis = (prefix: string, tensors: Tensors, suffix = ''): Tensors =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [
      `${prefix}${name}${suffix}`,
      { ...tensor, shape: [...tensor.shape, 1] },
    ]),
  );
