/** What a page trains with: the one place where that is chosen. */
import { UserError } from '../../errors.ts';
import { expectDevice } from '../../runtime/ort.web.ts';
import type { NextState, ResidentSession, Session } from '../../runtime/session.ts';
import { openResident, openSession, threadCount } from '../support.ts';

export type BackendName = 'wasm' | 'webgpu';

export interface Backend {
  /** Loads a graph for the processor: those of inference, and of steps whose optimizer is ours. */
  readonly load: (graph: Uint8Array) => Promise<Session>;
  /** Loads a whole training step whose state stays on the device, where the steps are taken so. */
  readonly open?: (step: Uint8Array, next: NextState) => Promise<ResidentSession>;
}

const load: Backend['load'] = (graph) => openSession(graph, 'the graph');

export const BACKENDS: Readonly<Record<BackendName, Backend>> = {
  wasm: { load },
  webgpu: {
    load,
    open: (step, next) => openResident(step, 'the training step', next),
  },
};

/** Those that this browser has, and what each is to the reader of the page. */
export async function availableBackends(): Promise<{ name: BackendName; label: string }[]> {
  const threads = threadCount();
  const wasm = {
    name: 'wasm',
    label: `WebAssembly, ${threads === 1 ? 'one thread' : `${threads} threads`}`,
  } as const;
  try {
    await expectDevice('webgpu');
    return [wasm, { name: 'webgpu', label: 'WebGPU' }];
  } catch (error) {
    if (error instanceof UserError) return [wasm];
    throw error;
  }
}

/** What this browser, or the way the page was served, leaves out: a sentence each. */
export function whatIsMissing(): string[] {
  return [
    ...(crossOriginIsolated
      ? []
      : [
          'One thread only: several need this page to be cross-origin isolated, by two headers of its server (npm run web sends them).',
        ]),
    ...('gpu' in navigator
      ? []
      : ['No WebGPU in this browser: it trains on the processor, as it does elsewhere.']),
    ...(isSecureContext
      ? []
      : ['No saving and loading: they need this page to come by https, or from this machine (localhost).']),
  ];
}
