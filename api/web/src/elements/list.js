// The list of comments. It keeps one Item for each comment that is loaded, and holds back a new
// comment whose place is above or between what the user can see.

import { h, setText } from './dom.js';
import { Item } from './item.js';

/** @typedef {import('../thread.js').ThreadComment} ThreadComment */

const SETTLING = 3; // frames until the comments around a place are drawn

/**
 * Scrolls to a node, again in the next frames: comments above have estimated heights until they are drawn.
 * It is not smooth, because a change of the layout would end it halfway.
 * @param {Element} node
 */
function center(node, frames = SETTLING) {
  node.scrollIntoView({ block: 'center' });
  if (frames) requestAnimationFrame(() => center(node, frames - 1));
}

/** The comments of a thread, the button for new ones, and the button for more. */
export class List {
  #host;
  #list = h('ol.comments', { role: 'list' });
  #fresh = h('button.fresh', { type: 'button', hidden: true });
  #more = h('button.more', { type: 'button', hidden: true });
  /** @type {Map<string, Item>} */
  #items = new Map();
  /** Ids of new comments that are not shown yet. @type {Set<string>} */
  #held = new Set();
  /** True while the held ones are put into the list. */
  #released = false;

  /** @param {any} host  the element */
  constructor(host) {
    this.#host = host;
    this.node = h('div.list', {}, h('div.float', {}, this.#fresh), this.#list, this.#more);
    this.#more.append(host.words.say('more'));
    this.#more.addEventListener('click', () => this.#load(this.#more, () => host.thread.loadMore()));
    this.#fresh.addEventListener('click', () => this.#showFresh());
    this.#list.addEventListener('click', (/** @type {Event} */ event) => this.#clicked(event));
  }

  /** Whether no comment is loaded. */
  get empty() { return this.#host.thread.comments.length === 0; }

  /** Shows the thread in place of what was shown. */
  reset() {
    this.#held.clear();
    this.#sync();
    this.refresh();
    this.#foot();
  }

  /**
   * Shows what has changed.
   * @param {{ids: Set<string>, added: Set<string>, removed: Set<string>, list: boolean, remote: boolean}} change
   */
  change(change) {
    this.#renamed(change);
    if (change.remote) this.#hold(change.added);
    for (const id of change.removed) this.#held.delete(id);
    if (change.list || change.added.size || change.removed.size) this.#sync();
    for (const id of change.ids) this.#refresh(id);
    this.#foot();
  }

  /** Shows the texts that depend on the user or on the lock of the post again. */
  refresh() {
    for (const id of this.#items.keys()) this.#refresh(id);
  }

  /** Shows the times again. */
  tick() {
    for (const item of this.#items.values()) item.tick();
  }

  /** Sends the deletions that could still be undone. */
  finish() {
    for (const item of this.#items.values()) item.finish();
  }

  /**
   * Marks a comment and scrolls to it.
   * @param {string} id
   * @returns {boolean} false if it is not loaded
   */
  show(id) {
    if (this.#held.size) this.#release();
    const item = this.#items.get(id);
    if (!item) return false;
    for (const other of this.#list.querySelectorAll('.target')) other.classList.remove('target');
    item.article.classList.add('target');
    item.article.focus({ preventScroll: true });
    center(item.article);
    return true;
  }

  /** @param {string} id */
  #refresh(id) {
    const comment = this.#host.thread.get(id);
    if (comment) this.#items.get(id)?.update(comment);
  }

  /** Lets an item that was sent keep its nodes when the server has given it an id. */
  #renamed({ added, removed }) {
    for (const old of removed) {
      const item = this.#items.get(old);
      if (!item?.comment.pending) continue;
      for (const id of added) {
        const comment = this.#host.thread.get(id);
        if (this.#items.has(id) || comment?.body !== item.comment.body || comment.author?.id !== this.#host.user) continue;
        this.#items.delete(old);
        this.#items.set(id, item);
        item.update(comment);
        break;
      }
    }
  }

  /** Holds back new comments with something below them that the user can see. */
  #hold(added) {
    if (!added.size || !this.#items.size) return;
    /** @type {string[]} */
    const fresh = [];
    const place = (/** @type {readonly ThreadComment[]} */ comments, /** @type {Element | null} */ after) => {
      /** The next node that is shown. @type {Element | null} */
      let next = after;
      for (let i = comments.length - 1; i >= 0; i--) {
        const { id } = comments[i];
        const item = this.#items.get(id);
        if (comments[i].replies) place(comments[i].replies ?? [], next);
        if (item) next = item.node;
        else if (added.has(id) && this.#moves(comments[i], next)) fresh.push(id);
      }
    };
    place(this.#host.thread.comments, null);
    for (const id of fresh) this.#held.add(id);
    this.#host.announce(this.#host.words.say('fresh', { n: this.#held.size || added.size }));
  }

  /**
   * Whether a new comment would move something that the user can see. One's own is what one looks at.
   * @param {ThreadComment} comment
   * @param {Element | null} next  what would stand below it
   */
  #moves({ author }, next) {
    return author?.id !== this.#host.user && !!next && next.getBoundingClientRect().top < innerHeight;
  }

  /** Makes the nodes those of the thread. */
  #sync() {
    const focus = this.#host.focused;
    /** @type {Map<string, Item>} */
    const seen = new Map();
    this.#fill(this.#list, this.#host.thread.comments, seen);
    for (const [id, item] of this.#items) {
      if (seen.has(id)) continue;
      const lost = item.node.contains(focus) && (item.node.nextElementSibling ?? item.node.previousElementSibling);
      if (item.writing) { // what the user has written is not thrown away
        seen.set(id, item);
        item.update({ ...item.comment, status: 'deleted' });
        continue;
      }
      item.node.remove();
      if (lost) lost.querySelector('article')?.focus({ preventScroll: true });
    }
    this.#items = seen;
    if (focus?.isConnected && focus !== this.#host.focused) focus.focus({ preventScroll: true });
  }

  /**
   * Puts the nodes of comments in order, and touches only those that are not.
   * @param {Element} list
   * @param {readonly ThreadComment[]} comments
   * @param {Map<string, Item>} seen
   */
  #fill(list, comments, seen) {
    let next = list.firstElementChild;
    for (const comment of comments) {
      if (this.#held.has(comment.id)) continue;
      let item = this.#items.get(comment.id);
      if (!item) {
        item = new Item(this.#host, comment);
        if (this.#host.settled) item.node.classList.add('new');
      }
      seen.set(comment.id, item);
      while (next && next !== item.node && this.#isGone(next)) next = next.nextElementSibling;
      if (item.node === next) next = next.nextElementSibling;
      else list.insertBefore(item.node, next);
      const replies = comment.replies ?? [];
      if (item.filled === replies && !this.#released) {
        for (const { id } of replies) if (this.#items.has(id)) seen.set(id, this.#items.get(id));
        continue;
      }
      item.filled = replies;
      if (replies.length || item.list) this.#fill(item.replies, replies, seen);
      this.#moreReplies(item, comment);
    }
  }

  /** @param {Element} node  an item's */
  #isGone(node) {
    const id = /** @type {HTMLElement | null} */ (node.querySelector('article'))?.dataset.id;
    return id !== undefined && !this.#host.thread.get(id);
  }

  /** @param {Item} item @param {ThreadComment} comment */
  #moreReplies(item, comment) {
    const shown = comment.replies?.filter((reply) => reply.status !== 'deleted' && !reply.pending).length ?? 0;
    const n = comment.moreReplies ? Math.max(1, comment.threadCount - shown) : 0;
    if (!n) {
      item.moreButton?.remove();
      item.moreButton = undefined;
      return;
    }
    item.moreButton ??= item.node.appendChild(h('button.more.replies-more', { type: 'button', 'data-act': 'replies' }));
    setText(item.moreButton, this.#host.words.say('moreReplies', { n }));
  }

  #foot() {
    const { thread, words } = this.#host;
    this.#more.hidden = !thread.more;
    this.#fresh.hidden = this.#held.size === 0;
    if (this.#held.size) setText(this.#fresh, words.say('fresh', { n: this.#held.size }));
  }

  /** Shows what was held back, and goes to the first of it. */
  #showFresh() {
    const first = this.#release();
    if (first) this.show(first);
  }

  #release() {
    const held = this.#held;
    this.#held = new Set();
    this.#released = true;
    this.#sync();
    this.#released = false;
    this.#foot();
    const nodes = [...this.#list.querySelectorAll('article')];
    return nodes.map((node) => node.dataset.id).find((id) => held.has(id));
  }

  /** @param {Event} event */
  #clicked(event) {
    const target = /** @type {Element} */ (event.target);
    const button = /** @type {HTMLElement | null} */ (target.closest('[data-act]'));
    const article = target.closest('li')?.querySelector('article');
    const item = this.#items.get(article?.dataset.id ?? '');
    if (!item) return;
    if (button?.dataset.act === 'replies') {
      this.#load(button, () => this.#host.thread.loadReplies(item.comment.id));
    } else if (button) {
      item.act(button.dataset.act ?? '');
    }
  }

  /**
   * Loads more, and moves the focus to the first comment that came.
   * @param {HTMLElement} button
   * @param {() => Promise<void>} load
   */
  async #load(button, load) {
    if (button.getAttribute('aria-busy')) return;
    button.setAttribute('aria-busy', 'true');
    const before = new Set(this.#items.keys());
    await this.#host.attempt(load());
    button.removeAttribute('aria-busy');
    if (this.#host.focused !== button && button.isConnected && !button.hidden) return;
    const nodes = [...this.#list.querySelectorAll('article')];
    nodes.find((node) => !before.has(node.dataset.id ?? ''))?.focus({ preventScroll: true });
  }
}
