// The style of <tidings-bell>.

export const css = `
:host {
  --ac: var(--tidings-accent, #3b62d9);
  --ink: color-mix(in oklab, var(--ac) 62%, currentColor);
  --soft: var(--tidings-soft, color-mix(in srgb, currentColor 68%, transparent));
  --line: var(--tidings-line, color-mix(in srgb, currentColor 15%, transparent));
  --wash: color-mix(in srgb, currentColor 6%, transparent);
  --r: var(--tidings-radius, .6em);
  position: relative;
  display: inline-block;
  line-height: 1.45;
}
:host([hidden]), [hidden] { display: none !important; }
*, *::before { box-sizing: border-box; }
h2, p, ol { margin: 0; padding: 0; font-size: inherit; }
ol { list-style: none; }
button { border: 0; background: none; color: inherit; font: inherit; cursor: pointer; }
svg { width: 1.4em; height: 1.4em; fill: none; stroke: currentColor; stroke-width: 1.7; stroke-linecap: round; stroke-linejoin: round; }
:focus-visible { outline: 2px solid var(--ink); outline-offset: 2px; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.bell { position: relative; display: grid; place-items: center; width: 2.6em; height: 2.6em; border-radius: 50%; }
.bell:hover, .bell[aria-expanded=true] { background: var(--wash); }
.count { position: absolute; top: 0; inset-inline-end: -.1em; min-width: 1.65em; padding: .1em .4em; border-radius: 1em; background: #c92a2a; color: #fff; font-size: .7em; font-weight: 650; line-height: 1.45; text-align: center; font-variant-numeric: tabular-nums; }
.rung svg { animation: ring .7s; transform-origin: 50% 10%; }
.panel { position: absolute; z-index: 10; top: calc(100% + .4em); inset-inline-end: 0; width: min(24em, calc(100vw - 2em)); max-height: min(32em, 75vh); overflow-y: auto; border: 1px solid var(--line); border-radius: var(--r); background: var(--tidings-background, Canvas); box-shadow: 0 8px 30px rgb(0 0 0 / .16); text-align: start; overflow-wrap: anywhere; }
.panel.flip { inset-inline: 0 auto; }
.head { display: flex; align-items: center; justify-content: space-between; gap: 1em; padding: .6em .6em .5em 1em; border-bottom: 1px solid var(--line); }
.title { font-weight: 650; white-space: nowrap; }
.quiet { min-height: 2em; padding: .2em .6em; border-radius: var(--r); color: var(--ink); font-size: .8125em; font-weight: 600; }
.quiet:hover, .more:hover, .row:hover { background: var(--wash); }
.row { display: grid; grid-template-columns: 2.2em 1fr .55em; align-items: center; gap: 0 .75em; padding: .65em 1em; color: inherit; text-decoration: none; font-size: .9375em; }
.row:focus-visible { outline-offset: -3px; }
.row time { color: var(--soft); font-size: .85em; }
.avatar { --h: oklch(.6 .13 var(--hue, 260)); position: relative; display: grid; place-items: center; width: 2.2em; height: 2.2em; overflow: hidden; border-radius: 50%; background: color-mix(in oklab, var(--h) 20%, transparent); color: color-mix(in oklab, var(--h) 50%, currentColor); font-weight: 650; line-height: 1; }
.avatar img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: cover; }
.what { min-width: 0; }
.what time { display: block; }
.unread { font-weight: 600; }
.unread time { font-weight: 400; }
.dot { width: .55em; height: .55em; border-radius: 50%; }
.unread .dot { background: var(--ac); }
.none { padding: 2em 1em; color: var(--soft); text-align: center; }
.more { display: block; width: 100%; min-height: 2.6em; border-top: 1px solid var(--line); color: var(--ink); font-weight: 600; }
@keyframes ring { 20% { transform: rotate(14deg); } 45% { transform: rotate(-11deg); } 70% { transform: rotate(6deg); } }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; } }
`;
