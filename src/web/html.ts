/** index.html of an exported model. Pure; written in node. */
import { Html, html } from '../report/html.ts';
import type { ModelInfo } from './model-info.ts';
import { style } from './style.ts';

const ownStyle = `
#drop { display: block; padding: 22px 12px; border: 2px dashed var(--rule); border-radius: 8px; text-align: center; cursor: pointer;
  color: var(--soft); }
#drop b { color: var(--blue); }
#drop.over, #drop:hover, #drop:focus-within { border-color: var(--blue); }
#drop input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.pad { display: flex; gap: 12px; align-items: flex-start; margin-top: 16px; }
#draw { flex: 0 1 224px; }
.tools { display: grid; gap: 8px; font-size: .9rem; color: var(--soft); }
.tools button { font: inherit; padding: 4px 14px; border: 1px solid var(--rule); border-radius: 6px; background: var(--page);
  color: var(--text); cursor: pointer; }
#pen { width: 100%; height: 32px; }
.seen { display: flex; gap: 14px; align-items: center; margin-bottom: 16px; }
#seen { width: 84px; }
.seen b { overflow-wrap: anywhere; }
#answers { display: grid; gap: 8px; }
#answers li { position: relative; display: flex; justify-content: space-between; gap: 12px; padding: 5px 10px; border-radius: 6px;
  overflow: hidden; background: var(--page); font-variant-numeric: tabular-nums; }
#answers b, #answers span { position: relative; z-index: 1; overflow-wrap: anywhere; }
#answers .bar { position: absolute; inset: 0 auto 0 0; background: var(--bar); }
#samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(64px, 1fr)); gap: 8px; }
#samples button { padding: 0; border: 2px solid transparent; border-radius: 8px; background: none; cursor: pointer; overflow: hidden; }
#samples button:hover, #samples button:focus-visible { border-color: var(--blue); }
#samples img { display: block; width: 100%; image-rendering: pixelated; }
pre { margin: 0; overflow-x: auto; font: .82rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
@media (max-width: 720px) {
  #result { order: -1; }
  #result h2 { display: none; }
  .seen { margin-bottom: 10px; }
  #answers { gap: 4px; }
  #answers li { padding: 1px 10px; }
  #seen { width: 64px; }
}
`;

/** A script that says why the page does not work where page.js does not run. */
const guard = `
function say(text) { var status = document.getElementById('status'); status.textContent = text; status.className = 'error'; }
if (location.protocol === 'file:') say('Opened as a file, where browsers load no modules: serve this folder, for example with python3 -m http.server');
`;

export function pageHtml(info: ModelInfo): string {
  const { channels, height, width } = info.image;
  const accuracy =
    info.accuracy === null ? [] : [`${(100 * info.accuracy).toFixed(2)}% of its test images right`];
  const facts = [
    `${info.classes.length} classes of ${info.dataset}`,
    ...accuracy,
    `${width} × ${height} pixels`,
    `${(info.model.bytes / 1e6).toFixed(1)} MB (${info.model.precision})`,
  ];
  const code = `import * as ort from './ort.js';

const { classes } = await (await fetch('model.json')).json();
const session = await ort.InferenceSession.create('${info.model.file}');
// pixels: Uint8Array of ${height} rows of ${width} pixels of ${channels === 1 ? 'one byte (grey)' : `${channels} bytes (red, green, blue)`}
const images = new ort.Tensor('uint8', pixels, [1, ${height}, ${width}, ${channels}]);
const { logits } = await session.run({ images });
const best = logits.data.indexOf(Math.max(...logits.data));
console.log(classes[best]);`;
  const { text } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${info.name}</title>
<link rel="icon" href="data:,">
<style>${new Html(style + ownStyle)}</style>
</head>
<body>
<h1>${info.name}</h1>
<p class="facts">${facts.join(' · ')}</p>
<p id="status" role="status">Loading the page …</p>
<noscript><p>This page needs JavaScript, to run the model here in the browser.</p></noscript>
<main>
<section>
<h2>A picture</h2>
<label id="drop"><b>Choose an image</b> or drop one here<input id="file" type="file" accept="image/*" disabled></label>
<div class="pad">
<canvas id="draw" width="280" height="280" role="img" aria-label="Draw here"></canvas>
<div class="tools"><span>or draw one</span><input id="pen" type="color" value="#0072b2" aria-label="Colour of the pen" hidden><button id="clear" type="button" disabled>Clear</button></div>
</div>
<p class="note">It does not leave this browser.</p>
</section>
<section id="result" aria-live="polite" hidden>
<h2>The answer</h2>
<div class="seen"><canvas id="seen" role="img" aria-label="What the model sees"></canvas><div><b id="name"></b><p class="note">what the model sees</p></div></div>
<ol id="answers"></ol>
<p class="note" id="time"></p>
</section>
<section class="wide" id="sample-section" hidden>
<h2>Test images</h2>
<div id="samples"></div>
</section>
<section class="wide">
<h2>In a page of yours</h2>
<pre><code>${code}</code></pre>
</section>
</main>
<script>${new Html(guard)}</script>
<script nomodule>say('This browser is too old for this page: take a current one');</script>
<script type="module" src="page.js" onerror="say('page.js does not load: it belongs beside index.html; serve the folder as it was exported')"></script>
</body>
</html>
`;
  return text;
}
