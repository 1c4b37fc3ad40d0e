/** What `diagnostics.jsonl` holds, one object a line; see log.ts. */

/** A group of parameters at one step, or all of them. */
export interface GroupRecord {
  /** How many elements. */
  readonly parameters: number;
  /** Of the gradient that the optimizer gets: regularized, before clipping. */
  readonly grad_norm: number;
  /** ‖θ after − θ before‖, weight decay included. */
  readonly update_norm: number;
  /** Before the update. */
  readonly weight_norm: number;
  /** The update's norm over the weights' norm. Null if all weights are 0. */
  readonly update_ratio: number | null;
  /** Over the elements: mean and spread of Adam's bias-corrected second moment after the step. Null if there is none. */
  readonly nu_mean: number | null;
  readonly nu_std: number | null;
  /** Over the elements: mean and variance of the adaptive learning rate 1/(√v̂ + ε), and variance of its logarithm. */
  readonly adaptive_rate_mean: number | null;
  readonly adaptive_rate_variance: number | null;
  readonly adaptive_rate_log_variance: number | null;
  /** The effective step size lr/(√v̂ + ε), its geometric mean over the elements. */
  readonly step_size: number | null;
}

/** One step, after it was taken. */
export interface StepRecord {
  readonly kind: 'step';
  readonly step: number;
  readonly epoch: number;
  /** As in metrics.jsonl. */
  readonly grad_norm: number;
  readonly gr_grad_norm: number | null;
  readonly lr: number;
  /** Between the clean and the regularized gradient, in degrees; null without regularization. */
  readonly gr_angle: number | null;
  /** What theory predicts: see `rectification` in second-moment.ts. Null with an optimizer other than Adam. */
  readonly rho: number | null;
  readonly rectification: number | null;
  readonly all: GroupRecord;
  readonly groups: Readonly<Record<string, GroupRecord>>;
  /** The time that the measurement took. */
  readonly seconds: number;
}

/** The Hessian of the loss on a fixed batch, after step `step`. */
export interface HessianRecord {
  readonly kind: 'hessian';
  readonly step: number;
  readonly epoch: number;
  /** The largest eigenvalue; an eigenvalue is at most `top_error` away. */
  readonly top_eigenvalue: number;
  readonly top_error: number;
  /** An estimate, and its standard error. */
  readonly trace: number;
  readonly trace_error: number;
  /** Products of the Hessian with a vector. */
  readonly products: number;
  /** In the fixed batch. */
  readonly examples: number;
  readonly seconds: number;
}

export type DiagnosticsRecord = StepRecord | HessianRecord;
