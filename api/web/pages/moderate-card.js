// One comment in a list of the moderators' page.

import { make, timeOf } from './dom.js';

/** The actions: name, the statuses that have it, text, key. @type {[string, string[], string, string][]} */
const ACTIONS = [
  ['published', ['pending'], 'Approve', 'a'], ['published', ['rejected', 'spam', 'deleted'], 'Restore', 'a'],
  ['rejected', ['pending', 'published'], 'Hide', 'h'], ['spam', ['pending', 'published', 'rejected'], 'Spam', 's'],
  ['deleted', ['pending', 'published', 'rejected', 'spam'], 'Delete', 'd'],
];

/** A card with a comment and what can be done with it. */
export class Card {
  /** @type {any} */
  comment;
  busy = false;
  #queue;
  #head = make('header');
  #text = make('p', { class: 'text', dir: 'auto' });
  #actions = make('div', { class: 'actions' });
  #revisions = make('ol', { class: 'revisions', hidden: true });

  /** @param {any} comment @param {import('./moderate-queue.js').Queue} queue */
  constructor(comment, queue) {
    this.#queue = queue;
    this.element = make('li', { class: 'card comment', tabIndex: -1, 'data-id': comment.id },
      this.#head, this.#text, this.#actions, this.#revisions);
    this.show(comment);
  }

  /** Shows the comment as it is now. */
  show(/** @type {any} */ comment) {
    this.comment = comment;
    const name = comment.author?.name ?? 'unknown';
    this.element.setAttribute('aria-label', `${comment.status} comment by ${name}`);
    this.#head.replaceChildren(
      make('b', { dir: 'auto' }, name), timeOf(comment.createdAt), make('span', {}, 'on ', make('code', {}, comment.postId)),
      make('span', { class: 'chip', 'data-status': comment.status }, comment.status),
      comment.pinnedAt ? make('span', { class: 'chip' }, 'pinned') : '', comment.editedAt ? make('span', {}, 'edited') : '');
    this.#text.textContent = comment.body || 'There is no text any more.';
    this.#text.classList.toggle('none', !comment.body);
    const held = document.activeElement instanceof HTMLElement && this.#actions.contains(document.activeElement);
    this.#actions.replaceChildren(...this.#buttons());
    if (held) this.element.focus();
  }

  #buttons() {
    const { status, parentId, pinnedAt } = this.comment;
    const buttons = ACTIONS.filter(([, from]) => from.includes(status)).map(([to, , text, key], i) =>
      this.#button(text, key, () => this.#queue.act(to, this), i === 0 && to === 'published'));
    if (status === 'published' && !parentId) buttons.push(this.#button(pinnedAt ? 'Unpin' : 'Pin', 'p', () => this.#queue.pin(this)));
    if (this.comment.editedAt || status === 'deleted') buttons.push(this.#button('Versions', 'v', () => this.#queue.revisions(this)));
    return buttons;
  }

  /**
   * A double click counts once: the second one may meet the next comment, which has moved up.
   * @param {string} text @param {string} key @param {() => void} act
   */
  #button(text, key, act, main = false) {
    const onclick = (/** @type {MouseEvent} */ event) => event.detail > 1 || act();
    return make('button', { type: 'button', class: main ? 'main' : null, title: `key ${key}`, onclick }, text);
  }

  /**
   * Runs a call. The buttons are disabled meanwhile.
   * @template T
   * @param {() => Promise<T>} call
   */
  async during(call) {
    this.busy = true;
    this.element.setAttribute('aria-busy', 'true');
    try {
      return await call();
    } finally {
      this.busy = false;
      this.element.removeAttribute('aria-busy');
    }
  }

  /** @param {any[]} texts */
  showRevisions(texts) {
    const items = texts.map((one) => make('li', {}, make('span', { class: 'soft' }, `version ${one.version}, until `, timeOf(one.replacedAt)), make('pre', { dir: 'auto' }, one.body)));
    this.#revisions.replaceChildren(...(items.length ? items : [make('li', { class: 'soft' }, 'There are no earlier versions.')]));
    this.#revisions.hidden = false;
  }

  /** Hides the earlier versions, and reports whether they were shown. */
  hideRevisions() {
    const shown = !this.#revisions.hidden;
    this.#revisions.hidden = true;
    return shown;
  }
}
