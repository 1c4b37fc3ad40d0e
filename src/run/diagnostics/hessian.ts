/** The curvature of the loss from products of its Hessian with vectors. Also for browsers. */
import { Random } from '../../random.ts';
import type { HessianRecord } from '../../storage/diagnostics.ts';
import { topEigenvalue } from './lanczos.ts';
import { dotOf, type Operator, randomSigns } from './vectors.ts';

/** The eigenvalue is found to within a thousandth, in 40 products at most. */
const EIGENVALUE = { tolerance: 1e-3, most: 40 };
export const TRACE_PROBES = 10;

/**
 * The largest eigenvalue and an estimate of the trace (Hutchinson 1989: the mean of zᵀHz over vectors z of random
 * signs). The vectors are the same at every call, so that two measurements differ by the Hessian alone.
 */
export async function measureHessian(
  times: Operator,
  sizes: readonly number[],
  probes = TRACE_PROBES,
): Promise<Pick<HessianRecord, 'top_eigenvalue' | 'top_error' | 'trace' | 'trace_error' | 'products'>> {
  const signs = (probe: number) => randomSigns(sizes, new Random(0, 'probe', probe));
  const top = await topEigenvalue(times, signs(0), EIGENVALUE);
  const samples: number[] = [];
  for (let probe = 1; probe <= probes; probe++) {
    const z = signs(probe);
    samples.push(dotOf(z, await times(z)));
  }
  const trace = samples.reduce((sum, sample) => sum + sample, 0) / probes;
  const deviation = samples.reduce((sum, sample) => sum + (sample - trace) ** 2, 0) / (probes - 1);
  return {
    top_eigenvalue: top.value,
    top_error: top.error,
    trace,
    trace_error: Math.sqrt(deviation / probes),
    products: top.products + probes,
  };
}
