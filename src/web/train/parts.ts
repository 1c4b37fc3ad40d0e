/** What the pages that train share of their HTML and style. Pure; written in node. */
import { flagName } from '../../option-names.ts';
import { Html, html } from '../../report/html.ts';
import { style } from '../style.ts';
import { LABELS } from './labels.ts';

const trainingStyle = `
body { max-width: 1180px; }
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
.files { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; }
.pick { display: inline-block; padding: 6px 16px; border: 1px solid var(--rule); border-radius: 8px; background: var(--page); cursor: pointer; }
.pick:hover, .pick:focus-within { border-color: var(--blue); }
.pick input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.pick:has(:disabled) { opacity: .5; cursor: default; }
.over { outline: 2px dashed var(--blue); outline-offset: 4px; }
#missing { padding: 0; list-style: none; }
#missing:empty { display: none; }
@media (max-width: 720px) {
  .fields { grid-template-columns: 1fr 1fr; }
  .numbers > div { flex-basis: 104px; padding: 10px 14px; }
  .numbers dd { font-size: 1.25rem; }
  #charts { grid-template-columns: minmax(0, 1fr); gap: 12px; }
  .go progress { flex-basis: 100%; order: 3; }
}
`;

/** A script that says why the page does not work where its own script does not run. */
const guard = `
function tell(text) { var status = document.getElementById('status'); status.textContent = text; status.className = 'error'; }
if (location.protocol === 'file:') tell('Opened as a file, where browsers load no modules: serve this folder, for example with python3 -m http.server');
`;

export const choice = (key: 'gr' | 'grWarmup' | 'optimizer', className = '') => {
  const { label, values } = LABELS[key];
  const options = Object.entries(values).map(
    ([value, text]) => html`<option value="${value}">${text}</option>`,
  );
  return html`<label class="${className}">${label}<select id="${flagName(key)}">${options}</select></label>`;
};

export const number = (key: keyof typeof LABELS, step = 'any', least = 0) =>
  html`<label>${LABELS[key].label}<input id="${flagName(key)}" type="number" min="${least}" step="${step}" required></label>`;

/** Start, Reset, and how far the run is. */
export const controls = html`<div class="go">
<button id="run" type="submit" disabled>Start</button>
<button id="reset" type="button" disabled>Reset</button>
<progress id="progress" max="1" value="0" aria-label="Steps done"></progress>
<output id="where"></output>
</div>`;

/** The numbers of a run. `tested` names the examples that it is tested on, `things` all of them. */
export const numbers = (tested: string, things: string) => html`<dl class="numbers wide">
<div><dt>${tested} accuracy</dt><dd id="accuracy">–</dd></div>
<div><dt>Loss</dt><dd id="loss">–</dd></div>
<div><dt>Gradient norm ‖g‖</dt><dd id="norm">–</dd></div>
<div><dt>Learning rate</dt><dd id="rate">–</dd></div>
<div><dt>λ</dt><dd id="strength">–</dd></div>
<div><dt>${things} a second</dt><dd id="speed">–</dd></div>
</dl>`;

interface PageParts {
  readonly title: string;
  readonly description: string;
  /** The style sheet of uPlot, which draws the curves. */
  readonly chartStyle: string;
  readonly ownStyle: string;
  readonly heading: string;
  readonly facts: string;
  readonly main: Html;
  /** The page's script, in its folder. */
  readonly script: string;
}

/** The whole page. */
export function pageText({
  title,
  description,
  chartStyle,
  ownStyle,
  heading,
  facts,
  main,
  script,
}: PageParts): string {
  const { text } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="${description}">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${new Html(chartStyle + style + trainingStyle + ownStyle)}</style>
</head>
<body>
<h1>${heading}</h1>
<p class="facts" id="facts">${facts}</p>
<p id="status" role="status">Loading the page …</p>
<noscript><p>This page needs JavaScript, to train here in the browser.</p></noscript>
${main}
<script>${new Html(guard)}</script>
<script nomodule>tell('This browser is too old for this page: take a current one');</script>
<script type="module" src="${script}" onerror="tell('${script} does not load: it belongs beside the page; serve the folder as it was built')"></script>
</body>
</html>
`;
  return text;
}
