/** `diagnostics.jsonl` (record.ts). It is resumed in the same way as metrics.jsonl; only `seconds` then differ. */
import * as v from 'valibot';
import type { DiagnosticsRecord } from './diagnostics.ts';
import { openLines, readLines } from './json-lines.node.ts';

/** JSON has no NaN or infinity: a number that was not finite is null there. */
const measurement = v.nullable(v.number());

const Group = v.object({
  parameters: v.number(),
  grad_norm: measurement,
  update_norm: measurement,
  weight_norm: measurement,
  update_ratio: measurement,
  nu_mean: measurement,
  nu_std: measurement,
  adaptive_rate_mean: measurement,
  adaptive_rate_variance: measurement,
  adaptive_rate_log_variance: measurement,
  step_size: measurement,
});

const Step = v.object({
  kind: v.literal('step'),
  step: v.number(),
  epoch: v.number(),
  grad_norm: measurement,
  gr_grad_norm: measurement,
  lr: measurement,
  gr_angle: measurement,
  rho: measurement,
  rectification: measurement,
  all: Group,
  groups: v.record(v.string(), Group),
  seconds: measurement,
});

const Hessian = v.pipe(
  v.object({
    kind: v.literal('hessian'),
    step: v.number(),
    epoch: v.number(),
    top_eigenvalue: measurement,
    top_error: measurement,
    trace: measurement,
    trace_error: measurement,
    products: v.number(),
    examples: v.optional(v.number()),
    /** In old files, instead of `examples`. */
    images: v.optional(v.number(), 0),
    seconds: measurement,
  }),
  v.transform(({ images, examples = images, ...line }) => ({ ...line, examples })),
);

const Line = v.variant('kind', [Step, Hessian]);

export type GroupLine = Readonly<v.InferOutput<typeof Group>>;
export type StepLine = Readonly<v.InferOutput<typeof Step>>;
export type HessianLine = Readonly<v.InferOutput<typeof Hessian>>;
export type DiagnosticsLine = StepLine | HessianLine;

export interface DiagnosticsLog {
  write(record: DiagnosticsRecord): void;
  flush(): void;
  close(): void;
}

/** Opens the file as `openLines` does. @throws UserError */
export function openDiagnosticsLog(path: string, at: { resumeAtStep?: number } = {}): DiagnosticsLog {
  const lines = openLines(path, Line, { ...at, holds: 'diagnostics' });
  return {
    write: (record) => lines.write(JSON.stringify(record)),
    flush: lines.flush,
    close: lines.close,
  };
}

/** All complete lines; the file may still be being written. @throws UserError naming a broken line */
export function readDiagnostics(path: string): DiagnosticsLine[] {
  return readLines(path, Line);
}
