/** index.html of the page that trains. Pure; written in node. */
import { flagName } from '../../option-names.ts';
import { Html, html } from '../../report/html.ts';
import { style } from '../style.ts';
import { facts, LABELS } from './labels.ts';

const ownStyle = `
body { max-width: 1180px; }
main { grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); }
button, select, input { font: inherit; color: var(--text); }
button { padding: 6px 16px; border: 1px solid var(--rule); border-radius: 8px; background: var(--page); cursor: pointer; }
button:hover:not(:disabled), button:focus-visible { border-color: var(--blue); }
button:disabled, select:disabled, input:disabled { opacity: .5; cursor: default; }
#run { min-width: 108px; border-color: var(--blue); background: var(--blue); color: var(--card); font-weight: 600; }
.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)); gap: 12px 16px; margin: 0; padding: 0; border: 0; }
.fields label { display: grid; gap: 3px; color: var(--soft); font-size: .85rem; align-content: start; }
.fields select, .fields input { width: 100%; padding: 6px 8px; border: 1px solid var(--rule); border-radius: 8px; background: var(--page);
  font-size: 1rem; height: 38px; }
#reason:empty { display: none; }
.fields label:first-child, .fields label:last-child { grid-column: span 2; }
.go { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; margin-top: 16px; }
.go progress { flex: 1 1 160px; height: 8px; accent-color: var(--blue); }
.go output { color: var(--soft); font-size: .9rem; font-variant-numeric: tabular-nums; }
.numbers { display: flex; flex-wrap: wrap; gap: 1px; margin: 0; padding: 0; background: var(--rule); border: 1px solid var(--rule);
  border-radius: 12px; overflow: hidden; }
.numbers > div { flex: 1 1 130px; padding: 12px 20px; background: var(--card); }
.numbers dt { color: var(--soft); font-size: .85rem; }
.numbers dd { margin: 2px 0 0; font-size: 1.5rem; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; }
.numbers small { color: var(--soft); font-size: .8rem; font-weight: 400; }
#charts { display: grid; grid-template-columns: 1fr 1fr; gap: 20px; min-width: 0; }
.chart { padding: 14px 12px 8px; background: var(--card); border: 1px solid var(--rule); border-radius: 12px; min-width: 0; margin: 0; }
.chart h2 { margin: 0 6px; font-size: 1rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0 10px; margin: 2px 6px 4px; padding: 0; list-style: none; font-size: .8rem; color: var(--soft);
  min-height: 1.5em; font-variant-numeric: tabular-nums; }
.legend li { display: flex; align-items: center; gap: 6px; }
.legend i { width: 16px; border-top: 2.5px solid var(--color); }
.legend i.dashed { border-top-style: dashed; }
.legend i.faint { border-top-width: 1px; opacity: .45; }
.legend li.warmup i { height: 12px; border: 0; background: var(--rule); opacity: .6; }
#charts:not(.compared) .before, #charts:not(.warmed) .warmup { display: none; }
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
.files { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; }
.pick { display: inline-block; padding: 6px 16px; border: 1px solid var(--rule); border-radius: 8px; background: var(--page); cursor: pointer; }
.pick:hover, .pick:focus-within { border-color: var(--blue); }
.pick input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.pick:has(:disabled) { opacity: .5; cursor: default; }
.over { outline: 2px dashed var(--blue); outline-offset: 4px; }
#missing { padding: 0; list-style: none; }
#missing:empty { display: none; }
@media (max-width: 720px) {
  main { grid-template-columns: minmax(0, 1fr); }
  .fields { grid-template-columns: 1fr 1fr; }
  .numbers > div { flex-basis: 104px; padding: 10px 14px; }
  .numbers dd { font-size: 1.25rem; }
  #charts { grid-template-columns: minmax(0, 1fr); gap: 12px; order: 1; }
  #files { order: 2; }
  .go progress { flex-basis: 100%; order: 3; }
}
`;

/** A script that says why the page does not work where page.js does not run. */
const guard = `
function tell(text) { var status = document.getElementById('status'); status.textContent = text; status.className = 'error'; }
if (location.protocol === 'file:') tell('Opened as a file, where browsers load no modules: serve this folder, for example with python3 -m http.server');
`;

const choice = (key: 'gr' | 'grWarmup' | 'optimizer') => {
  const { label, values } = LABELS[key];
  const options = Object.entries(values).map(
    ([value, text]) => html`<option value="${value}">${text}</option>`,
  );
  return html`<label>${label}<select id="${flagName(key)}">${options}</select></label>`;
};

const number = (key: keyof typeof LABELS, step = 'any') =>
  html`<label>${LABELS[key].label}<input id="${flagName(key)}" type="number" min="0" step="${step}" required></label>`;

/** The page's text. `chartStyle` is the style sheet of uPlot, which draws the curves. */
export function trainingPageHtml(chartStyle: string): string {
  const { text } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="A Vision Transformer that trains in this page, with exact gradient regularization, on stock ONNX Runtime">
<title>ortgrad: training in the page</title>
<link rel="icon" href="data:,">
<style>${new Html(chartStyle + style + ownStyle)}</style>
</head>
<body>
<h1>A Vision Transformer, trained in this page</h1>
<p class="facts" id="facts">${facts('handwritten digits')}</p>
<p id="status" role="status">Loading the page …</p>
<noscript><p>This page needs JavaScript, to train here in the browser.</p></noscript>
<main>
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
<div class="go">
<button id="run" type="submit" disabled>Start</button>
<button id="reset" type="button" disabled>Reset</button>
<progress id="progress" max="1" value="0" aria-label="Steps done"></progress>
<output id="where"></output>
</div>
</form>
</section>
<dl class="numbers wide">
<div><dt>Test accuracy</dt><dd id="accuracy">–</dd></div>
<div><dt>Loss</dt><dd id="loss">–</dd></div>
<div><dt>Gradient norm ‖g‖</dt><dd id="norm">–</dd></div>
<div><dt>Learning rate</dt><dd id="rate">–</dd></div>
<div><dt>λ</dt><dd id="strength">–</dd></div>
<div><dt>Images a second</dt><dd id="speed">–</dd></div>
</dl>
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
</main>
<script>${new Html(guard)}</script>
<script nomodule>tell('This browser is too old for this page: take a current one');</script>
<script type="module" src="page.js" onerror="tell('page.js does not load: it belongs beside index.html; serve the folder as it was built')"></script>
</body>
</html>
`;
  return text;
}
