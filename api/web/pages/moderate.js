// The page for moderators: who is signed in, which list is shown, and the keys.

import { Tidings } from '../tidings.js';
import { find, make } from './dom.js';
import { Queue } from './moderate-queue.js';
import { Session } from './session.js';

/** @type {[string, string, string][]} name of the list, text of the tab, text of the empty list */
const LISTS = [
  ['pending', 'Pending', 'Nothing waits for you.'], ['spam', 'Spam', 'There is no spam.'],
  ['rejected', 'Rejected', 'Nothing was rejected.'], ['deleted', 'Deleted', 'Nothing was deleted.'],
  ['post', 'A post', 'The post has no comments.'],
];

/** @type {[string, string, (queue: Queue) => void][]} */
const KEYS = [
  ['j', 'the next comment', (queue) => queue.step(1)], ['k', 'the comment before', (queue) => queue.step(-1)],
  ['a', 'approve or restore', (queue) => queue.act('published')], ['h', 'hide', (queue) => queue.act('rejected')],
  ['s', 'mark as spam', (queue) => queue.act('spam')], ['d', 'delete', (queue) => queue.act('deleted')],
  ['u', 'undo the last change', (queue) => queue.undo()], ['p', 'pin or unpin', (queue) => queue.pin()],
  ['l', 'lock or unlock the post', (queue) => queue.lock()], ['v', 'earlier versions', (queue) => queue.revisions()],
  ['1 … 5', 'the lists', () => {}], ['?', 'this help', () => {}],
];

/** @type {Queue|undefined} */
let queue;
/** @type {Tidings|undefined} */
let tidings;
let shown = 'pending';
const session = new Session(start);

for (const [name, text] of LISTS) {
  find('tabs').append(make('button', { type: 'button', id: `tab-${name}`, onclick: () => show(name) }, text));
}
for (const [key, text] of KEYS) find('keys').append(make('dt', {}, make('kbd', {}, key)), make('dd', {}, text));
find('help-button').addEventListener('click', () => find('help').showModal());
find('more').addEventListener('click', () => queue?.more());
find('lock').addEventListener('click', () => queue?.lock());
find('of-post').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  show('post');
});
document.addEventListener('keydown', onKey);
start();

/** Begins again with the credential of the session. */
function start() {
  tidings?.close();
  tidings = new Tidings({ token: session.token, topics: ['site:moderation'] });
  tidings.on('state', ({ data }) => {
    find('state').dataset.state = data;
    find('state').textContent = data;
  });
  /** @type {[string, (queue: Queue, data: any) => void][]} */
  const events = [
    ['moderation', (queue, data) => {
      count(data.pending);
      queue.take(data);
    }],
    ['new-comment', (queue, data) => queue.replace(data)], ['comment-updated', (queue, data) => queue.replace(data)],
    ['comment-deleted', (queue, data) => queue.remove(data.id)], ['post-updated', (queue, data) => queue.showPost(data)],
  ];
  for (const [name, apply] of events) {
    tidings.on(name, ({ data }) => {
      const current = queue;
      current?.follow(() => apply(current, data));
    });
  }
  tidings.on('gap', () => show(shown));
  show(shown);
}

/** Shows a list from its beginning. */
async function show(/** @type {string} */ name) {
  shown = name;
  queue?.close();
  const post = name === 'post' ? find('post').value.trim() : '';
  for (const [each] of LISTS) find(`tab-${each}`).setAttribute('aria-current', String(each === name));
  find(`tab-${name}`).scrollIntoView({ block: 'nearest', inline: 'nearest' });
  find('of-post').hidden = name !== 'post';
  const empty = name === 'post' && !post ? 'Type the id of a post.' : LISTS.find(([each]) => each === name)?.[2] ?? '';
  queue = new Queue(/** @type {Tidings} */ (tidings), { status: name, post, empty, count });
  try {
    await queue.more();
    session.accept();
  } catch (problem) {
    const { status, message } = /** @type {any} */ (problem);
    if (status === 401 || status === 403) session.ask(message);
  }
}

/** Shows the number of pending comments. */
function count(/** @type {number} */ pending) {
  find('tab-pending').replaceChildren('Pending', pending > 0 ? make('span', { class: 'count' }, String(pending)) : '');
  document.title = pending > 0 ? `(${pending}) Moderate · Tidings` : 'Moderate · Tidings';
}

function onKey(/** @type {KeyboardEvent} */ event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || find('help').open || find('main').hidden) return;
  const list = LISTS[Number(event.key) - 1];
  const key = KEYS.find(([name]) => name === event.key);
  if (event.key === '?') find('help').showModal();
  else if (list) show(list[0]);
  else if (key && queue && (!event.repeat || 'jk'.includes(event.key))) key[2](queue);
  else return;
  event.preventDefault();
}
