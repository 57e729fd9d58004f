// A list of comments that a moderator works through. It follows the events of other moderators.

import { find, make } from './dom.js';
import { Card } from './moderate-card.js';

/** How a change reads in the notice. */
const DONE = { published: 'Published', rejected: 'Hidden', spam: 'Marked as spam', deleted: 'Deleted', pending: 'Held again' };

/** The comments with one status, or those of a post. */
export class Queue {
  /** @type {Map<string, Card>} */
  #cards = new Map();
  #tidings;
  #options;
  /** @type {string|undefined} */
  #after;
  /** Changes that can be taken back. @type {{id: string, was: string, made: Promise<any>}[]} */
  #changes = [];
  #closed = false;
  /** Events that came while a page was loaded; undefined: none is. @type {(() => void)[]|undefined} */
  #late;

  /**
   * @param {import('../tidings.js').Tidings} tidings
   * @param {{status: string, post: string, empty: string, count: (pending: number) => void}} options
   */
  constructor(tidings, options) {
    this.#tidings = tidings;
    this.#options = options;
    find('list').replaceChildren();
    find('more').hidden = find('empty').hidden = find('lock').hidden = true;
    notice('');
    if (options.post) tidings.subscribe(this.#topic);
  }

  get #topic() {
    return `post:${this.#options.post}`;
  }

  /** Ends it. What is still on its way shows nothing. */
  close() {
    this.#closed = true;
    if (this.#options.post) this.#tidings.unsubscribe(this.#topic);
  }

  /** Applies an event, and again after a page that is being loaded: the page may be older. */
  follow(/** @type {() => void} */ apply) {
    apply();
    this.#late?.push(apply);
  }

  /** Shows another page, unless one is being loaded. It throws the Problem of the call. */
  async more() {
    if (this.#late) return;
    const late = (this.#late = []);
    try {
      await this.#load();
    } finally {
      this.#late = undefined;
    }
    if (!this.#closed) for (const apply of late) apply();
  }

  async #load() {
    const { status, post, count } = this.#options;
    const first = this.#after === undefined;
    if (status === 'post' && first) { // everybody may read a post
      const held = await this.#try(() => this.#tidings.moderation({ limit: 1 }), true);
      if (held && !this.#closed) count(held.pending);
    }
    if (status === 'post' && !post) return this.#showEnd();
    const page = await this.#try(() => post
      ? this.#tidings.comments(post, { flat: true, limit: 50, after: this.#after })
      : this.#tidings.moderation({ status, limit: 50, after: this.#after }), true);
    if (!page || this.#closed) return;
    for (const comment of page.data) this.#add(comment, false);
    this.#after = page.page.next ?? undefined;
    find('more').hidden = !page.page.more;
    if (page.pending !== undefined) count(page.pending);
    if (page.post) this.showPost(page.post);
    this.#showEnd();
  }

  /** Applies an event moderation: a comment got another status. */
  take(/** @type {any} */ { comment, status, by }) {
    const mine = by === this.#tidings.user;
    if (status === this.#options.status) this.#add(comment, false);
    else if (this.#cards.has(comment.id) && !this.#options.post) {
      this.remove(comment.id);
      if (!mine) notice(`${by ?? 'The site'}: ${DONE[/** @type {keyof DONE} */ (status)].toLowerCase()}`);
    }
    this.#showEnd();
  }

  /** Applies an event with a comment of the post that is shown. */
  replace(/** @type {any} */ comment) {
    if (comment.postId !== this.#options.post) return;
    this.#add(comment, true);
    this.#showEnd();
  }

  /** Takes a comment from the list. The focus goes to the next one. */
  remove(/** @type {string} */ id) {
    const card = this.#cards.get(id);
    if (!card) return;
    const focused = card.element.contains(document.activeElement);
    const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
    this.#cards.delete(id);
    card.element.remove();
    if (focused) /** @type {HTMLElement} */ (next ?? find('list')).focus();
    this.#showEnd();
  }

  /** Shows whether the post is locked. */
  showPost(/** @type {any} */ post) {
    if (post.id !== this.#options.post) return;
    find('lock').hidden = false;
    find('lock').textContent = post.locked ? 'Unlock the post' : 'Lock the post';
    find('lock').setAttribute('aria-pressed', String(post.locked));
  }

  /** Moves the focus by a number of comments. */
  step(/** @type {number} */ by) {
    const all = [...find('list').children];
    const at = all.indexOf(this.#current()?.element);
    const next = all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))];
    next?.focus();
    next?.scrollIntoView({ block: 'nearest' });
  }

  /** Gives the comment with the focus another status. */
  async act(/** @type {string} */ status, card = this.#current()) {
    if (!card || card.comment.status === status || card.busy) return;
    const { status: was, version } = card.comment;
    // The event can come before the answer, so the change is noted first.
    const made = card.during(() => this.#try(() => this.#tidings.setStatus(card.comment.id, status, { version })));
    const change = { id: card.comment.id, was, made };
    this.#changes.push(change);
    const changed = await made;
    if (this.#closed) return;
    if (!changed) return this.#changes.splice(this.#changes.indexOf(change), 1);
    if (this.#options.post) this.#add(changed, true);
    else this.remove(changed.id);
    notice(`${DONE[/** @type {keyof DONE} */ (status)]}.`, make('button', { type: 'button', onclick: () => this.undo() }, 'Undo'));
  }

  /** Takes the last change back. */
  async undo() {
    const change = this.#changes.pop();
    if (!change) return notice('There is nothing to undo.');
    const made = await change.made;
    if (!made) return;
    const comment = await this.#try(() => this.#tidings.setStatus(change.id, change.was, { version: made.version }));
    if (!comment || this.#closed) return;
    if (this.#options.post || comment.status === this.#options.status) this.#add(comment, true);
    this.#showEnd();
    notice('Undone.');
    this.#cards.get(comment.id)?.element.focus();
  }

  /** Pins the comment with the focus, or unpins it. */
  async pin(card = this.#current()) {
    if (!card || card.busy) return;
    const { id, version, pinnedAt } = card.comment;
    const pinned = !pinnedAt;
    const comment = await card.during(() => this.#try(() => this.#tidings.pin(id, pinned, { version })));
    if (!comment || this.#closed) return;
    card.show(comment);
    notice(pinned ? 'Pinned.' : 'Unpinned.');
  }

  /** Locks the post that is shown, or that of the comment with the focus; or unlocks it. */
  async lock() {
    const post = this.#options.post || this.#current()?.comment.postId;
    if (!post) return;
    const changed = await this.#try(async () => {
      const { locked } = await this.#tidings.getPost(post);
      return this.#tidings.putPost(post, { locked: !locked });
    });
    if (!changed || this.#closed) return;
    this.showPost(changed);
    notice(`${changed.title ?? changed.id} is ${changed.locked ? 'locked' : 'open'}.`);
  }

  /** Shows or hides the earlier versions of the comment with the focus. */
  async revisions(card = this.#current()) {
    if (!card || card.hideRevisions()) return;
    const page = await this.#try(() => this.#tidings.revisions(card.comment.id, { limit: 100 }));
    if (page && !this.#closed) card.showRevisions(page.data);
  }

  #current() {
    const element = document.activeElement?.closest('.comment');
    return element ? this.#cards.get(/** @type {HTMLElement} */ (element).dataset.id ?? '') : undefined;
  }

  /** Adds a comment, or shows it as it is now. @param {any} comment @param {boolean} first */
  #add(comment, first) {
    const known = this.#cards.get(comment.id);
    if (known) return known.show(comment);
    const card = new Card(comment, this);
    this.#cards.set(comment.id, card);
    const after = first ? find('list').firstChild : null;
    find('list').insertBefore(card.element, after);
  }

  #showEnd() {
    if (this.#closed) return;
    find('empty').hidden = this.#cards.size > 0;
    find('empty').textContent = this.#options.empty;
  }

  /**
   * Returns the answer of a call, or undefined if it fails: the notice then says why. A comment that was changed
   * since it was shown is shown as it is now.
   * @param {() => Promise<any>} call
   */
  async #try(call, rethrow = false) {
    try {
      return await call();
    } catch (error) {
      const problem = /** @type {any} */ (error);
      if (this.#closed) return undefined;
      const changed = problem.code === 'version_mismatch';
      if (changed) this.#cards.get(problem.comment.id)?.show(problem.comment);
      notice(changed ? 'The comment was changed meanwhile. Look at it again.' : problem.message, '', 'bad');
      if (rethrow) throw problem;
      return undefined;
    }
  }
}

/** @param {string} text @param {Node|string} [action] */
function notice(text, action = '', tone = '') {
  find('notice').dataset.tone = tone;
  find('notice').replaceChildren(text, action);
}
