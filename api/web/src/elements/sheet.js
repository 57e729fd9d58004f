// The style of <tidings-comments>. Font, text color and the width of the column come from the page.
// Lines, soft text and grounds are mixtures of the text color, so that they fit every ground.

export const css = `
:host {
  --a: var(--tidings-accent, #3b62d9);
  --o: var(--tidings-accent-text, #fff);
  --i: color-mix(in oklab, var(--a) 62%, currentColor);
  --e: color-mix(in oklab, #d92d20 66%, currentColor);
  --s: var(--tidings-soft, color-mix(in srgb, currentColor 68%, transparent));
  --l: var(--tidings-line, color-mix(in srgb, currentColor 15%, transparent));
  --w: color-mix(in srgb, currentColor 5%, transparent);
  --r: var(--tidings-radius, .6em);
  display: block;
  line-height: 1.55;
  overflow-wrap: anywhere;
}
[hidden], :empty:is(.badge, .viewers, .note, .state, .replies) { display: none !important; }
* { box-sizing: border-box; }
h2, h3, h4, p, ol { margin: 0; padding: 0; font-size: inherit; }
.comments, .replies { list-style: none; }
button, select, textarea { border: 0; background: none; color: inherit; font: inherit; }
button, select { min-height: 2em; border-radius: var(--r); cursor: pointer; }
svg { width: 1.15em; fill: none; stroke: currentColor; stroke-width: 1.8; }
:focus-visible { outline: 2px solid var(--i); outline-offset: 2px; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.head { display: flex; flex-wrap: wrap; align-items: center; gap: .35em .8em; margin-bottom: 1.1em; font-size: .875em; }
.title { font-size: 1.43em; font-weight: 650; line-height: 1.25; }
.badge, .viewers, .sort, .hint, .typing, .state, .status > p, .error p + p, .time, .addressee, .edited, .locked, .body blockquote, .quiet, .like, .gone > article .body { color: var(--s); }
.hint, .note, .typing, .state, .acts, .foot, .time, .addressee, .edited, .pinned { font-size: .8125em; }
.badge::before { content: ""; display: inline-block; width: .5em; height: .5em; margin-inline-end: .45em; border-radius: 50%; background: #e09b1a; vertical-align: .08em; }
.badge:is([data-state=live], [data-state=polling])::before { background: #2f9e5b; }
.badge:is([data-state=offline], [data-state=closed])::before { background: #d92d20; }
.tools { display: flex; gap: .5em; margin-inline-start: auto; }
.sort option { background: Canvas; color: CanvasText; }
.note, .failed .state { color: var(--e); }
.head .note { flex-basis: 100%; }

.composer, .sign-in { border: 1px solid var(--l); border-radius: var(--r); background: var(--w); }
.composer:focus-within { border-color: var(--i); box-shadow: 0 0 0 1px var(--i); }
.text { display: block; width: 100%; min-height: 2.9em; max-height: 24em; padding: .65em .85em; field-sizing: content; resize: none; outline: 0; line-height: inherit; }
.text::placeholder { color: var(--s); opacity: 1; }
.foot { display: none; align-items: center; justify-content: flex-end; gap: .5em; padding: 0 .6em .6em; }
:is(.composer:focus-within, .filled) > .foot { display: flex; }
:is(.composer:focus-within, .filled) > .text { min-height: 4.4em; }
.hint { flex: 1; padding-inline-start: .4em; font-size: 1em; }
.composer .note { padding: 0 .85em; }
.primary, .fresh { padding: .35em 1em; background: var(--a); color: var(--o); font-weight: 600; }
:is(.primary, .fresh):hover { filter: brightness(1.1); }
[aria-busy=true] { opacity: .6; }
.sign-in, .more { display: block; width: 100%; padding: .6em; color: var(--i); font-weight: 600; }
.locked, .status { padding: .6em; text-align: center; }
.status:empty { padding: 0; }
.typing { min-height: 3.2em; padding: .4em .1em; }
.error .quiet { margin: .5em 0; border: 1px solid var(--l); }

.list { position: relative; }
.float { position: sticky; z-index: 1; top: .5em; height: 2.6em; margin-top: -2.6em; text-align: center; pointer-events: none; }
.fresh { pointer-events: auto; border-radius: 2em; font-size: .875em; box-shadow: 0 2px 10px #0003; }
.fresh::before { content: "↑ "; }
li:has(> article) + li { margin-top: 1.5em; }
.comment { display: flex; gap: .85em; border-radius: var(--r); outline-offset: .4em; }
.comments > li > .comment { content-visibility: auto; contain-intrinsic-size: auto 6em; overflow-clip-margin: 1em; }
.main { flex: 1; min-width: 0; }
.avatar { --h: oklch(.6 .13 var(--hue, 260)); position: relative; display: grid; place-items: center; flex: none; width: 2.5em; height: 2.5em; overflow: hidden; border-radius: 50%; background: color-mix(in oklab, var(--h) 20%, transparent); color: color-mix(in oklab, var(--h) 50%, currentColor); font-weight: 650; line-height: 1; }
.avatar img { position: absolute; width: 100%; height: 100%; object-fit: cover; }
header { display: flex; flex-wrap: wrap; align-items: baseline; column-gap: .6em; }
h3, h4 { font-weight: 650; line-height: 1.4; }
.time { padding: .3em 0; text-decoration: none; }
.pinned { color: var(--i); font-weight: 600; }
.body:not(:has(*)) { white-space: pre-line; }
.body > * { margin: .35em 0 0; }
.body a { color: var(--i); }
.body :is(ul, ol) { padding-inline-start: 1.5em; }
.body blockquote { padding-inline-start: .8em; border-inline-start: 3px solid var(--l); }
.body blockquote blockquote { color: inherit; }
.body code { padding: .1em .3em; border-radius: .3em; background: var(--w); font: .9em ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.body pre code { display: block; padding: .7em .9em; white-space: pre-wrap; }
.body img { max-width: 100%; height: auto; }
.acts { display: flex; flex-wrap: wrap; gap: .1em; margin: .2em 0 0; margin-inline-start: -.55em; }
.quiet, .like { min-width: 2em; padding: .2em .6em; font-weight: 500; }
:is(.quiet, .like, .sort, .more):hover { background-color: var(--w); }
.like { display: inline-flex; align-items: center; gap: .4em; }
.like[aria-pressed=true] { color: color-mix(in oklab, #d6336c 70%, currentColor); }
.like[aria-pressed=true] svg { fill: currentColor; }

.replies { margin: 1.1em 0 0; margin-inline-start: 1.2em; padding-inline-start: 1.2em; border-inline-start: 2px solid var(--l); }
.replies .avatar { width: 1.9em; height: 1.9em; font-size: .88em; }
.more { margin-top: 1.6em; border: 1px solid var(--l); }
.replies-more { width: auto; margin: .4em 1.2em 0; padding: .25em 1.2em; border: 0; font-size: .875em; }
.gone > article .body { font-style: italic; }
.gone > article :is(h3, h4), .removing > article :is(header, .body), .editing > article > .main > :is(.body, .acts) { display: none; }
.gone > article .avatar { background: var(--w); }
.pending > article .avatar { opacity: .5; }
.new > article { animation: new .5s; }
.target { box-shadow: 0 0 0 .5em var(--t); background: var(--t); --t: color-mix(in srgb, var(--a) 12%, transparent); }
@keyframes new { from { opacity: 0; } }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; } }
@media (width < 30em) {
  .replies { margin-inline-start: .4em; padding-inline-start: .8em; }
  .comment { gap: .6em; }
  .tools { flex: 1 0 100%; justify-content: space-between; margin-inline: -.6em -.25em; }
}
`;
