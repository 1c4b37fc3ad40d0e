/** Variables of a task that brings weights of its own: what a checkpoint leaves to them. Also for browsers. */
import { sizeOf } from '../onnx/shapes.ts';
import type { NamedTensor } from '../storage/safetensors.ts';
import type { Task } from '../tasks/task.ts';
import { tracePrediction } from '../tasks/trace.ts';

/** Saved variables, and from the task's own weights those that were not saved, since they are frozen. */
export function withStart(task: Task, saved: readonly NamedTensor[]): readonly NamedTensor[] {
  if (!task.start) return saved;
  const values = task.start.values();
  const names = new Set(saved.map(({ name }) => name));
  const rest = tracePrediction(task, 1).variables.flatMap(({ path, shape }): NamedTensor[] => {
    const data = names.has(path) ? undefined : values.get(path);
    return data?.length === sizeOf(shape) ? [{ name: path, shape, data }] : [];
  });
  return [...saved, ...rest];
}
