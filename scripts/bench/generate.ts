/** Graphs for the benchmark, each written by a process of its own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import type { GraphName, GraphOptions } from '../../src/artifacts/graphs.ts';
import { moduleBeside } from '../../src/module-beside.node.ts';
import type { OwnSpec } from '../../src/tasks/spec.ts';

/** How graphs are written, besides what a network says. */
export type GraphChoice = Pick<GraphOptions, 'memory' | 'without'>;

export interface GenerateRequest {
  readonly spec: OwnSpec;
  readonly batch: number;
  /** `loss`: the loss and its forward pass alone, as ONNX Runtime training wants it. */
  readonly name: GraphName | 'loss';
  readonly options: GraphChoice;
  readonly file: string;
  /** Whether to write the graph again, to time it once the code is compiled. */
  readonly repeat: boolean;
}

const reply = v.object({ first: v.number(), warm: v.nullable(v.number()), hash: v.string() });

export interface Generated {
  readonly file: string;
  /** Milliseconds from the spec to the bytes of the file: the first time, and once the code is compiled. */
  readonly first: number;
  readonly warm: number | null;
  /** The hash of the file. */
  readonly hash: string;
}

export function generate(request: GenerateRequest): Generated {
  const script = fileURLToPath(moduleBeside('generator', import.meta.url));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...process.execArgv, script, JSON.stringify(request)],
    { encoding: 'utf8' },
  );
  if (status !== 0) {
    const reason = /^\w*Error: .*$/m.exec(stderr)?.[0] ?? stderr.trim().split('\n').at(-1);
    throw new Error(`graph ${request.name} was not generated: ${reason}`);
  }
  return { file: request.file, ...v.parse(reply, JSON.parse(stdout)) };
}
