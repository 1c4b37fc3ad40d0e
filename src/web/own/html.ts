/** The page for a file of one's own. Pure; written in node. */
import { flagName } from '../../option-names.ts';
import { type Html, html } from '../../report/html.ts';
import { LABELS } from '../train/labels.ts';
import { choice, controls, number, numbers, pageText } from '../train/parts.ts';
import { LOSS_LABELS, NORMALIZATION_LABELS, ORDER_LABELS, TOKEN_LABELS, WHAT_LABELS } from './labels.ts';

const ownStyle = `
main { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
fieldset { margin: 0; padding: 0; border: 0; min-width: 0; }
.drop { display: grid; gap: 10px; justify-items: center; padding: 20px 12px; border: 2px dashed var(--rule); border-radius: 8px;
  text-align: center; color: var(--soft); }
.drop p { margin: 0; }
.card { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 14px; margin: 16px 0 0; font-size: .9rem; }
.card:empty { display: none; }
.card dt { color: var(--soft); }
.card dd { margin: 0; overflow-wrap: anywhere; max-height: 9.2em; overflow-y: auto; }
.card dd p { margin: 0; }
#classes { display: flex; flex-wrap: wrap; gap: 6px; margin: 10px 0 0; padding: 0; list-style: none; font-size: .85rem; }
#classes li { padding: 2px 10px; background: var(--page); border: 1px solid var(--rule); border-radius: 99px; overflow-wrap: anywhere; }
#classes b { font-weight: 600; font-variant-numeric: tabular-nums; }
.what { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; margin-bottom: 16px; }
.what legend, .group { padding: 0; margin-bottom: 6px; color: var(--soft); font-size: .85rem; }
.radio, .check { display: flex; gap: 8px; align-items: baseline; cursor: pointer; }
.radio input, .check input { flex: none; accent-color: var(--blue); }
.check { margin: 0 0 16px; }
.fields { margin-bottom: 16px; }
.fields:empty { display: none; }
.broad { grid-column: span 2; }
.drop .files { justify-content: center; }
details { margin: 0 0 12px; }
summary { width: max-content; color: var(--soft); font-size: .9rem; cursor: pointer; }
details .fields { margin: 12px 0 0; }
#plan { margin: 0; padding: 8px 14px; border-left: 4px solid var(--blue); background: var(--page); border-radius: 4px; font-size: .9rem;
  overflow-wrap: anywhere; }
#plan.error { border-color: var(--wrong); }
#plan:empty { display: none; }
#charts { grid-column: 1 / -1; }
@media (max-width: 720px) {
  main, .what { grid-template-columns: minmax(0, 1fr); }
  .broad { grid-column: 1 / -1; }
  .card { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .card dd { margin-bottom: 8px; }
}
`;

const items = (labels: Readonly<Record<string, string>>): Html[] =>
  Object.entries(labels).map(([value, text]) => html`<option value="${value}">${text}</option>`);
const menu = (id: string, label: string, labels: Readonly<Record<string, string>>) =>
  html`<label class="${Object.values(labels).some(({ length }) => length > 20) ? 'broad' : ''}">${label}<select id="${id}">${items(labels)}</select></label>`;
const radios = Object.entries(WHAT_LABELS).map(
  ([value, text]) =>
    html`<label class="radio"><input type="radio" name="what" value="${value}">${text}</label>`,
);

/** The page's text. `chartStyle` is the style sheet of uPlot; `script` is the page's, in its folder. */
export function ownPageHtml(chartStyle: string, script: string): string {
  return pageText({
    title: 'ortgrad: train your own ONNX file',
    description:
      'Trains an ONNX file of yours on pictures or texts of yours, in this page, on stock ONNX Runtime',
    heading: 'Train your own ONNX file, in this page',
    facts:
      'Drop a model that was exported for inference, and a folder of pictures or a text file. ortgrad writes the graphs of its gradient in this page, and stock ONNX Runtime runs them. Nothing leaves this browser.',
    ...{ chartStyle, ownStyle, script },
    main: html`<main>
<section>
<h2 id="model-title">1 · A model</h2>
<fieldset class="drop" id="drop-model" aria-labelledby="model-title">
<p>Drop an ONNX file here, with the files beside it that hold its weights, if there are any</p>
<label class="pick">Choose files<input id="model-files" type="file" multiple></label>
</fieldset>
<dl class="card" id="model-card"></dl>
</section>
<section>
<h2 id="data-title">2 · Data</h2>
<fieldset class="drop" id="drop-data" aria-labelledby="data-title">
<p>Drop a folder with a folder of pictures for each class, or a text file: lines of a label, a tab and a text, or one long text for a language model</p>
<div class="files">
<label class="pick">Choose a folder<input id="data-folder" type="file" webkitdirectory multiple></label>
<label class="pick">Choose a text file<input id="data-file" type="file" accept=".txt,.tsv,.jsonl,text/*"></label>
</div>
</fieldset>
<p class="note" id="data-card"></p>
<ul id="classes" aria-label="Classes"></ul>
</section>
<section class="wide">
<h2>3 · What trains</h2>
<form id="settings">
<fieldset class="what" id="what" disabled><legend>It trains</legend>${radios}</fieldset>
<fieldset class="fields" aria-label="Model and data" disabled>
<label id="pattern-field" class="broad">Pattern, a regular expression<input id="pattern" spellcheck="false" autocapitalize="off" autocomplete="off"></label>
<label id="rank-field">Rank of adapters<input id="rank" type="number" min="1" step="1" value="8" required></label>
${menu('file-loss', 'Loss', LOSS_LABELS)}
<label id="output-field">Output<select id="output"></select></label>
${menu('normalization', 'Pixels are brought to', NORMALIZATION_LABELS)}
${menu('order', 'Colours', ORDER_LABELS)}
${menu('tokens', 'Tokens', TOKEN_LABELS)}
<label>Held out, %<input id="held-out" type="number" min="1" max="90" step="1" value="20" required></label>
</fieldset>
<fieldset aria-label="Sizes and head" disabled><div class="fields" id="sizes"></div>
<label class="check" id="new-head-field"><input id="new-head" type="checkbox"> A new last layer, with the classes of the data</label></fieldset>
<fieldset class="fields" aria-label="Training" disabled>
${number('learningRate')}
${number('epochs', '1', 1)}
<label>${LABELS.batchSize.label}<input id="${flagName('batchSize')}" type="number" min="1" step="1" value="16" required></label>
${choice('gr', 'broad')}
${number('lambda')}
</fieldset>
<details><summary>More settings</summary>
<fieldset class="fields" aria-label="More settings" disabled>
${choice('grWarmup')}
${number('r')}
${choice('optimizer')}
${number('weightDecay')}
${number('warmupEpochs')}
<label>${LABELS.device.label}<select id="backend"></select></label>
</fieldset>
</details>
<p class="note" id="reason"></p>
<ul class="note" id="missing"></ul>
<p id="plan" aria-live="polite"></p>
${controls}
</form>
</section>
${numbers('Held-out', 'Examples')}
<div id="charts"></div>
<section class="wide" id="files">
<h2>4 · Take it away</h2>
<div class="files">
<button id="tuned" type="button" disabled>Save tuned ONNX file</button>
<button id="adapters" type="button" disabled>Save adapters</button>
</div>
<p class="note">The tuned file has the nodes, inputs and outputs of yours, with trained numbers; adapters are merged. The adapters alone are a folder in one .tar, adapter_config.json and adapter_model.safetensors, which PEFT loads.</p>
</section>
</main>`,
  });
}
