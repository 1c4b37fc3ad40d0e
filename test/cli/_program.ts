/** Runs the program as its user does, on a small graph and dataset of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { evaluate } from '../../src/cli/evaluate.ts';
import { exportModel } from '../../src/cli/export.ts';
import { failureText } from '../../src/cli/fail.ts';
import { graphs } from '../../src/cli/graphs.ts';
import { report } from '../../src/cli/report.ts';
import { train } from '../../src/cli/train.ts';
import { Random } from '../../src/random.ts';
import { running } from '../_node.ts';
import { said } from './_own.ts';

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts scripts/<name>.ts; `done` resolves when it ends. */
export function start(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { child: ChildProcess; done: Promise<Outcome> } {
  const child = spawn(process.execPath, running(`scripts/${name}.ts`, ...args), {
    env: { ...process.env, ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const done = new Promise<Outcome>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, done };
}

export function program(name: string, ...args: string[]): Promise<Outcome> {
  return start(name, args).done;
}

const COMMANDS = { train, evaluate, export: exportModel, graphs, report };

/** What `program` gives, of the command called in this process: a start of node takes longer than what most do. */
export async function command(name: keyof typeof COMMANDS, ...args: string[]): Promise<Outcome> {
  try {
    return { code: 0, stdout: await said(COMMANDS[name], ...args), stderr: '' };
  } catch (error) {
    return { code: 1, stdout: '', stderr: `${failureText(error, false)}\n` };
  }
}

export interface Workspace {
  readonly folder: string;
  /** A folder with a spec.json, for --graph. */
  readonly graph: string;
  /** CIFAR-10 files, for --data. */
  readonly data: string;
  readonly flags: readonly string[];
}

/** 64 training and 20 test images that a tiny Vision Transformer can tell apart: each class has its own brightness. */
export function workspace(): Workspace {
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-test-'));
  const graph = path.join(folder, 'tiny');
  const data = path.join(folder, 'cifar');
  mkdirSync(graph);
  mkdirSync(data);
  const spec = {
    dataset: 'cifar10',
    image: { channels: 3, height: 32, width: 32 },
    classes: 10,
    model: { kind: 'vit', patch: 16, width: 8, layers: 1, heads: 2 },
    microBatch: 8,
  };
  writeFileSync(path.join(graph, 'spec.json'), JSON.stringify(spec));
  writeFileSync(path.join(data, 'data_batch_1.bin'), records(64, 1));
  writeFileSync(path.join(data, 'test_batch.bin'), records(20, 2));
  const flags = ['--graph', graph, '--data', data, '--batch-size', '16', '--threads', '1', '--samples', '2'];
  return { folder, graph, data, flags };
}

function records(count: number, seed: number): Uint8Array {
  const random = new Random(seed, 'sample');
  const bytes = new Uint8Array(count * 3073);
  for (let i = 0; i < count; i++) {
    const label = i % 10;
    const start = i * 3073;
    bytes[start] = label;
    for (let k = 1; k <= 3072; k++) bytes[start + k] = 20 * label + random.integer(40);
  }
  return bytes;
}
