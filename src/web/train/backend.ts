/** What a page trains with: the one place where that is chosen. */
import type { Session } from '../../runtime/session.ts';
import { openSession, threadCount } from '../support.ts';

export const BACKENDS = ['wasm'] as const;
export type Backend = (typeof BACKENDS)[number];

type Load = (graph: Uint8Array) => Promise<Session>;

/** How each of them loads a graph. */
export const LOAD: Readonly<Record<Backend, Load>> = {
  wasm: (graph) => openSession(graph, 'the graph'),
};

/** What each is to the reader of the page. */
export const LABELS: Readonly<Record<Backend, () => string>> = {
  wasm: () => `WebAssembly, ${threadCount() === 1 ? 'one thread' : `${threadCount()} threads`}`,
};

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
