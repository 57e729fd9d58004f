// The demo page: the panes of two users, the raw events, and lines to paste into a terminal.

import { readConfig } from './demo-api.js';
import { part, refreshTimes, stamp } from './demo-dom.js';
import { Pane } from './demo-pane.js';
import { Wire } from './demo-wire.js';

// Milliseconds after which a hidden tab disconnects. A browser opens at most six HTTP/1.1
// connections to a server, and this page uses two. A tab that is shown again resumes from its
// cursors.
const HIDDEN_FOR = 15_000;

const ABOUT = ['wrote the post', 'reads the post'];

start();

async function start() {
  const config = await configure();
  const wire = new Wire(part(document, 'wire'));
  part(document, 'wire').open = matchMedia('(min-width: 45rem)').matches;
  const panes = config.users.map((user, index) => new Pane({
    user,
    post: config.post,
    about: ABOUT[index] ?? '',
    onEvent: (event) => wire.add(user, event),
  }));
  part(document, 'panes').append(...panes.map((pane) => pane.element));
  showLines(config.lines ?? []);
  watch(panes);
  for (const pane of panes) pane.resume();
  setInterval(refreshTimes, 5_000);
}

/**
 * Reads the configuration, and tries again until there is an answer: the page may be open before
 * the server is up.
 * @returns {Promise<import('./demo-api.js').Config>}
 */
async function configure() {
  const banner = part(document, 'banner');
  for (;;) {
    try {
      const config = await readConfig();
      banner.hidden = true;
      return config;
    } catch (problem) {
      banner.textContent = `${problem.message} Trying again…`;
      banner.hidden = false;
    }
    await new Promise((resolve) => { setTimeout(resolve, 2_000); });
  }
}

/** @param {Pane[]} panes */
function watch(panes) {
  let timer = 0;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => panes.forEach((pane) => pane.pause()), HIDDEN_FOR);
    else panes.forEach((pane) => pane.resume());
  };
  document.addEventListener('visibilitychange', look);
  addEventListener('pagehide', () => panes.forEach((pane) => pane.pause()));
  addEventListener('pageshow', look);
}

/** @param {{title: string, text: string}[]} lines */
function showLines(lines) {
  document.getElementById('lines').hidden = lines.length === 0;
  for (const { title, text } of lines) {
    const item = stamp('line');
    part(item, 'line-title').textContent = title;
    part(item, 'line-text').textContent = text;
    part(item, 'copy').setAttribute('aria-label', `Copy “${title}”`);
    part(item, 'copy').addEventListener('click', () => copy(item));
    part(document, 'lines').append(item);
  }
}

/** Copies a line, or selects it: over plain HTTP from another machine a page may not use the clipboard. */
async function copy(item) {
  const code = part(item, 'line-text');
  const button = part(item, 'copy');
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 1_500);
}
