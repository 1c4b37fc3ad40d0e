/** index.html of the page that trains. Pure; written in node. */
import { html } from '../../report/html.ts';
import { facts, LABELS } from './labels.ts';
import { choice, controls, number, numbers, pageText } from './parts.ts';

const ownStyle = `
main { grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); }
.fields label:first-child, .fields label:last-child { grid-column: span 2; }
.side { display: grid; gap: 20px; align-content: start; min-width: 0; }
#draw { display: block; width: 100%; max-width: 280px; aspect-ratio: 1; margin: 0 auto; }
.seen { display: flex; gap: 12px; align-items: center; margin: 12px 0 10px; min-height: 56px; }
.seen > div { flex: 1; }
#seen { width: 56px; background: #000; }
#name { font-size: 1.05rem; }
#answers { display: grid; grid-template-columns: repeat(10, 1fr); gap: 4px; font-size: .85rem; text-align: center;
  font-variant-numeric: tabular-nums; }
#answers li { display: grid; grid-template-rows: 64px auto; }
#answers i { align-self: end; background: var(--bar); border-radius: 3px 3px 0 0; height: calc(2px + var(--share, 0) * 62px); }
#answers .best i { background: var(--blue); }
#answers .best b { color: var(--blue); }
#answers b { font-weight: 600; border-top: 1px solid var(--rule); }
@media (max-width: 720px) {
  main { grid-template-columns: minmax(0, 1fr); }
  #charts { order: 1; }
  #files { order: 2; }
}
`;

/** The page's text. `chartStyle` is the style sheet of uPlot, which draws the curves. */
export function trainingPageHtml(chartStyle: string): string {
  return pageText({
    title: 'ortgrad: training in the page',
    description:
      'A Vision Transformer that trains in this page, with exact gradient regularization, on stock ONNX Runtime',
    heading: 'A Vision Transformer, trained in this page',
    facts: facts('handwritten digits'),
    script: 'page.js',
    ...{ chartStyle, ownStyle },
    main: html`<main>
<section class="wide">
<form id="settings">
<fieldset class="fields" id="fields" disabled>
${choice('gr')}
${choice('grWarmup')}
${number('lambda')}
${number('r')}
${choice('optimizer')}
${number('learningRate')}
${number('weightDecay')}
${number('epochs', '1')}
${number('warmupEpochs')}
<label>${LABELS.device.label}<select id="backend"></select></label>
</fieldset>
<p class="note" id="reason"></p>
<ul class="note" id="missing"></ul>
${controls}
</form>
</section>
${numbers('Test', 'Images')}
<div id="charts"></div>
<div class="side">
<section>
<h2>Draw a digit</h2>
<canvas id="draw" width="280" height="280" role="img" aria-label="Draw a digit here"></canvas>
<div class="seen"><canvas id="seen" width="28" height="28" role="img" aria-label="What the model sees"></canvas><div><b id="name">What is it?</b><p class="note" id="time">The model answers while it learns.</p></div><button id="clear" type="button">Clear</button></div>
<ol id="answers" aria-live="off"></ol>
</section>
</div>
<section class="wide" id="files">
<h2>Save and go on</h2>
<div class="files">
<button id="save" type="button" disabled>Save checkpoint</button>
<button id="export" type="button" disabled>Save ONNX model</button>
<label class="pick">Load checkpoint<input id="load" type="file" multiple accept=".tar,.json,.jsonl,.safetensors" disabled></label>
</div>
<p class="note">The checkpoint is a run’s folder in one .tar: <code>npm run train -- --resume</code> goes on with it, and so does this page. To go on here with a run of yours, choose the files of its folder <code>last</code>, or drop a .tar of them anywhere on this page.</p>
</section>
</main>`,
  });
}
