/** How far a run is, in one line. */
import { shortNumber } from '../metrics/info.ts';
import type { EpochRecord } from './types.ts';

/** `epoch 12/50  loss 0.012  mae 0.08  validation loss 0.015  mae 0.09`: of the last whole epoch. */
export function progressText(
  { step, totalSteps, stepsPerEpoch, history }: Progress,
  loss: number | undefined,
): string {
  const epochs = Math.round(totalSteps / stepsPerEpoch);
  const last = history.at(-1);
  const begun = `epoch ${Math.min(epochs, Math.floor(step / stepsPerEpoch) + 1)}/${epochs}  step ${step}/${totalSteps}`;
  const now = loss === undefined ? '' : `  loss ${shortNumber(loss)}`;
  return `${begun}${now}${last ? `  |  ${epochText(last)}` : ''}`;
}

interface Progress {
  readonly step: number;
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
  readonly history: readonly EpochRecord[];
}

function epochText({ epoch, loss, metrics, validation }: EpochRecord): string {
  const numbers = (values: Readonly<Record<string, number>>): string =>
    Object.entries(values)
      .map(([name, value]) => `  ${name} ${shortNumber(value)}`)
      .join('');
  const own = `after ${epoch}: loss ${shortNumber(loss)}${numbers(metrics)}`;
  if (!validation) return own;
  return `${own}  validation loss ${shortNumber(validation.loss)}${numbers(validation.metrics)}`;
}
