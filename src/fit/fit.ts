/** The library's front door: a model, a loss and arrays → a trained model. The same in node and in a page. */
import { progressLine } from '#host';
import type { Arrays } from '../data/arrays.ts';
import type { Outputs, Values } from '../tasks/task.ts';
import { openFit } from './open.ts';
import { progressText } from './progress-text.ts';
import type { AnyFitOptions, FitEvent, FitOptions, FitRun, Model, OpenFit } from './types.ts';

/**
 * Trains a model on arrays. Fields, outputs and predictions have the types that follow from the arrays and the model.
 * Throws UserError, before anything is trained, where an option, an array or a function is not right, and DivergedError
 * (a UserError) where a loss is not finite.
 */
export function fit<const D extends Arrays, M extends Model<D>>(
  options: FitOptions<D, M>,
): Promise<FitRun<Parameters<M>[1], ReturnType<M>, D>>;
export async function fit(options: AnyFitOptions): Promise<FitRun<Values, Outputs, Arrays>> {
  const run = await openFit(options);
  const { signal, verbose = true } = options;
  let loss: number | undefined;
  const line = verbose ? progressLine(() => progressText(run, loss)) : undefined;
  const stop = (): void => run.stop();
  signal?.addEventListener('abort', stop);
  try {
    if (signal?.aborted) stop();
    else {
      for await (const event of run) {
        if (event.kind === 'step') loss = event.record.loss;
        await tell(event, run, options);
        if (event.kind === 'epoch' && run.isStale) run.finish();
      }
    }
    return await run.result();
  } finally {
    signal?.removeEventListener('abort', stop);
    line?.stop();
    await run.release();
  }
}

async function tell(
  event: FitEvent,
  run: OpenFit<Values, Outputs, Arrays>,
  { onStep, onEpoch, onEvent }: AnyFitOptions,
): Promise<void> {
  if (event.kind === 'step') await onStep?.(event.record, run);
  if (event.kind === 'epoch') await onEpoch?.(event.record, run);
  await onEvent?.(event, run);
}
