/** The style that the pages share. Like report/style.ts: system fonts, one accent, light or dark by the system. */
export const style = `
:root { color-scheme: light dark; --text: #1c2126; --soft: #5b6570; --page: #f6f7f8; --card: #fff; --rule: #dfe3e7;
  --blue: #0072b2; --orange: #d55e00; --bar: #cfe3f1; --wrong: #b34700; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8ec; --soft: #9aa5b1; --page: #14171a; --card: #1c2024; --rule: #333a41;
  --blue: #56b4e9; --orange: #e69f00; --bar: #1f4258; --wrong: #ffb066; } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 960px; padding: 40px 24px 64px; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
h1 { margin: 0; font-size: 2rem; line-height: 1.2; letter-spacing: -.015em; overflow-wrap: anywhere; }
h2 { margin: 0 0 12px; font-size: 1.1rem; }
.facts, .note { margin: 6px 0 0; color: var(--soft); overflow-wrap: anywhere; }
.note { font-size: .85rem; }
#status { margin: 20px 0 0; padding: 10px 16px; border-left: 4px solid var(--blue); background: var(--card); border-radius: 4px;
  overflow-wrap: anywhere; }
#status.error { border-color: var(--wrong); }
main { display: grid; grid-template-columns: 1fr 1fr; gap: 20px; margin-top: 24px; }
section { padding: 20px; background: var(--card); border: 1px solid var(--rule); border-radius: 12px; min-width: 0; }
.wide { grid-column: 1 / -1; }
#draw { min-width: 0; border: 1px solid var(--rule); border-radius: 8px; touch-action: none; cursor: crosshair; }
#seen { height: auto; image-rendering: pixelated; border-radius: 8px; border: 1px solid var(--rule); flex: none; }
#answers { margin: 0; padding: 0; list-style: none; }
@media (max-width: 720px) {
  body { padding: 24px 12px 40px; }
  h1 { font-size: 1.6rem; }
  main { grid-template-columns: 1fr; gap: 12px; }
  section { padding: 16px; }
}
`;
