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
  /** The update's norm over the weights'; null where these are all 0. */
  readonly update_ratio: number | null;
  /** Of Adam's second moment after the step, bias-corrected, over the elements; null with an optimizer that has none. */
  readonly nu_mean: number | null;
  readonly nu_std: number | null;
  /** Of the adaptive learning rate 1/(√v̂ + ε) over the elements, and of its logarithm. */
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
  /** Of theory: see `rectification`. Null with an optimizer other than Adam. */
  readonly rho: number | null;
  readonly rectification: number | null;
  readonly all: GroupRecord;
  readonly groups: Readonly<Record<string, GroupRecord>>;
  /** What the measurement took. */
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
  readonly images: number;
  readonly seconds: number;
}

export type DiagnosticsRecord = StepRecord | HessianRecord;
