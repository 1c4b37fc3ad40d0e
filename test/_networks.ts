/** Classifiers of images from the JSON of their specs, and their graphs; also in a page. */
import { type GraphOptions, TaskGraphs } from '../src/artifacts/graphs.ts';
import { describeTask, type Manifest } from '../src/artifacts/manifest.ts';
import { taskOf } from '../src/tasks/own.ts';
import { parseSpec } from '../src/tasks/parse-spec.ts';
import { expectImageSpec, type ImageSpec } from '../src/tasks/spec.ts';

export function imageSpec(json: object): ImageSpec {
  return expectImageSpec(parseSpec(json, 'test'), 'test');
}

/** The graphs of a spec for its target, of which the training graphs take `batch` images. */
export function imageGraphs(
  spec: ImageSpec,
  batch: number,
  options: Pick<GraphOptions, 'memory' | 'without'> = {},
): TaskGraphs {
  return new TaskGraphs(taskOf(spec), { batch, target: spec.target, ...options });
}

/** A manifest with the rates of a training run. */
export function manifestOf(graphs: TaskGraphs): Manifest {
  return describeTask(graphs.task, graphs, {
    ...{ name: 'test', hash: '' },
  });
}
