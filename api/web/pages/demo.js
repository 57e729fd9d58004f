// The demo page: one post as two users see it, and the lines that show comments on another page.

import { lineOf } from './demo-line.js'; // before the elements, whose requests it can cut
import '../comments.js';
import { find, make } from './dom.js';

const WIRE = 200; // events that the list of raw events keeps

const config = await configure();
find('panes').append(...config.users.map(pane));
find('lines').append(...config.lines.map((/** @type {any} */ { title, text }, /** @type {number} */ i) => make('li', {},
  make('h3', {}, title), make('pre', { tabIndex: 0 }, make('code', { id: `line-${i}` }, text)),
  make('button', { type: 'button', class: 'copy', 'data-copies': `line-${i}`, 'aria-label': `Copy: ${title}` }, 'Copy'))));
find('embed-server').value = new URL('.', location.href).href.replace(/\/$/, '');
find('embed').addEventListener('input', showEmbed);
find('embed').addEventListener('submit', (/** @type {Event} */ event) => event.preventDefault());
for (const button of document.querySelectorAll('.copy')) button.addEventListener('click', copy);
showEmbed();

/** Reads the configuration, again and again until the server answers. @returns {Promise<any>} */
async function configure() {
  for (;;) {
    try {
      const answer = await fetch('demo/config');
      if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
      find('banner').textContent = '';
      return await answer.json();
    } catch (error) {
      find('banner').textContent = `${/** @type {Error} */ (error).message} Trying again…`;
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
}

/** Makes the pane of a user. */
function pane(/** @type {any} */ user) {
  const line = lineOf(user.token);
  const comments = element('tidings-comments', { post: config.post, token: user.token, sort: 'oldest', label: `Comments as ${user.name} sees them` });
  const cut = make('button', { type: 'button', class: 'cut', 'aria-pressed': 'false', onclick: () => {
    const is = line.toggle();
    cut.setAttribute('aria-pressed', String(is));
    cut.textContent = is ? 'Connect again' : 'Cut the line';
  } }, 'Cut the line');
  queueMicrotask(() => comments.client?.on('*', (/** @type {any} */ event) => showEvent(user, event)));
  return make('section', { class: 'card pane', 'data-user': user.id, 'aria-label': user.name },
    make('header', {}, make('h2', {}, user.name), cut, element('tidings-bell', { token: user.token })), comments);
}

/** @param {string} name @param {Record<string, string>} attributes @returns {any} */
function element(name, attributes) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Adds an event to the raw events, the newest first. @param {any} user @param {any} event */
function showEvent(user, { id, event, data }) {
  find('wire').prepend(make('li', {}, make('b', {}, user.name), make('span', {}, event), make('span', {}, id ?? '–'), make('code', {}, JSON.stringify(data))));
  while (find('wire').childElementCount > WIRE) find('wire').lastChild.remove();
}

/** Shows the two lines for a page. */
function showEmbed() {
  const server = find('embed-server').value.replace(/\/+$/, '');
  const post = find('embed-post').value.trim();
  const { path, integrity } = config.script;
  const source = find('embed-pinned').checked ? `${quoted(`${server}/${path}`)} integrity=${quoted(integrity)} crossorigin` : quoted(`${server}/comments.js`);
  const page = `${server}/v1/posts/-/comments.html?post=${encodeURIComponent(post)}`;
  find('embed-lines').textContent = `<script type="module" src=${source}><\/script>\n` + (post
    ? `<tidings-comments post=${quoted(post)}><a href=${quoted(page)}>Comments</a></tidings-comments>`
    : '<tidings-comments></tidings-comments>');
}

/** Returns a text as the value of an attribute. */
function quoted(/** @type {string} */ text) {
  return `"${text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;')}"`;
}

/** Copies a text, or selects it where a page may not use the clipboard. @this {HTMLElement} */
async function copy() {
  const source = find(this.dataset.copies ?? '');
  try {
    await navigator.clipboard.writeText(source.textContent);
    this.textContent = 'Copied';
  } catch {
    getSelection()?.selectAllChildren(source);
    this.textContent = 'Selected';
  }
}
