/** The backends that a page can train with. Only this file knows how they differ. */
import { UserError } from '../../errors.ts';
import { expectDevice } from '../../runtime/ort.web.ts';
import type { NextState, ResidentSession, Session } from '../../runtime/session.ts';
import { openResident, openSession, threadCount } from '../support.ts';

export type BackendName = 'wasm' | 'webgpu';

export interface Backend {
  /** Loads a graph for the processor: for inference, and for steps whose optimizer runs in TypeScript. */
  readonly load: (graph: Uint8Array) => Promise<Session>;
  /** Loads a whole training step whose state stays on the device. Only a backend that has a device has it. */
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

/** The backends that this browser has, with labels for the reader of the page. */
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

/** A sentence for each feature that is missing, by the browser or by the way the page is served. */
export function whatIsMissing(): string[] {
  return [
    ...(crossOriginIsolated
      ? []
      : [
          'One thread only: more threads need a page that is cross-origin isolated, by two headers of its server (npm run web sends them).',
        ]),
    ...('gpu' in navigator ? [] : ['No WebGPU in this browser: it trains on the processor.']),
    ...(isSecureContext
      ? []
      : ['No saving and loading: they need a page that comes by https, or from this machine (localhost).']),
  ];
}
