import type { GroupRecord, HessianRecord, StepRecord } from '../../../src/storage/diagnostics.ts';

export function groupRecord(changes: Partial<GroupRecord> = {}): GroupRecord {
  return {
    parameters: 10,
    grad_norm: 0.5,
    update_norm: 0.01,
    weight_norm: 2,
    update_ratio: 0.005,
    nu_mean: 1e-4,
    nu_std: 1e-5,
    adaptive_rate_mean: 100,
    adaptive_rate_variance: 9,
    adaptive_rate_log_variance: 0.3,
    step_size: 0.1,
    ...changes,
  };
}

export function stepRecord(step: number, changes: Partial<StepRecord> = {}): StepRecord {
  return {
    kind: 'step',
    step,
    epoch: Math.ceil(step / 10),
    grad_norm: 1,
    gr_grad_norm: 1.25,
    lr: 0.001,
    gr_angle: 12.5,
    rho: 9.98,
    rectification: 0.049,
    all: groupRecord({ parameters: 20 }),
    groups: { attention: groupRecord(), mlp: groupRecord({ grad_norm: 0.25 }) },
    seconds: 0.004,
    ...changes,
  };
}

export function hessianRecord(step: number): HessianRecord {
  return {
    kind: 'hessian',
    step,
    epoch: Math.ceil(step / 10),
    top_eigenvalue: 12.5,
    top_error: 0.01,
    trace: 40,
    trace_error: 3,
    products: 30,
    examples: 64,
    seconds: 1,
  };
}
