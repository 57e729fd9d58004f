// The list of comments, with the newest at the bottom.

import { Follower, initialOf, isLater, nameOf, part, showTime, stamp } from './demo-dom.js';

/** @typedef {import('./demo-api.js').Comment} Comment */

// The largest number of comments on the page. One INSERT … SELECT can add thousands; the page
// then keeps the newest.
const MAX_COMMENTS = 200;

/** The comments in the pane of one user. */
export class CommentList {
  #me;
  #acts;
  #list;
  #box;
  #empty;
  #earlier;
  #below;
  #follower;
  /** @type {Map<string, {comment: Comment, item: HTMLElement}>} */
  #shown = new Map();
  /** The ids of deleted comments. A late event must not show such a comment again. */
  #deleted = new Set();

  /**
   * @param {HTMLElement} pane
   * @param {string} me  the id of the pane's user
   * @param {{reply: (comment: Comment) => void, remove: (comment: Comment) => void}} acts
   */
  constructor(pane, me, acts) {
    this.#me = me;
    this.#acts = acts;
    this.#list = part(pane, 'comments');
    this.#empty = part(pane, 'empty');
    this.#earlier = part(pane, 'earlier');
    this.#below = part(pane, 'below');
    this.#box = part(pane, 'scroll');
    this.#follower = new Follower(this.#box, () => { this.#below.hidden = true; });
    this.#below.addEventListener('click', () => this.#toNewest());
  }

  /**
   * Shows a list that was read from the API, in place of the current one.
   * @param {Comment[]} comments  newest first, as the API returns them
   * @param {boolean} more  true if there are earlier comments
   */
  reset(comments, more) {
    this.#shown.clear();
    this.#deleted.clear();
    this.#list.replaceChildren();
    this.#earlier.hidden = !more;
    for (const comment of comments.toReversed()) this.#insert(comment);
    this.#empty.hidden = this.#shown.size > 0;
    this.#toNewest();
  }

  /**
   * Adds a comment, or updates the shown one with the same id unless that one is newer.
   * @param {Comment} comment
   * @param {boolean} visibleAgain  true for a new-comment, which may follow a deletion
   * @returns {boolean} true if the comment was added
   */
  put(comment, visibleAgain = false) {
    if (visibleAgain) this.#deleted.delete(comment.id);
    if (this.#deleted.has(comment.id)) return false;
    const shown = this.#shown.get(comment.id);
    if (shown) {
      if (comment.version > shown.comment.version) this.#fill(shown.item, comment);
      return false;
    }
    const item = this.#insert(comment);
    item.classList.add('fresh');
    this.#empty.hidden = true;
    this.#trim();
    if (comment.author?.id === this.#me) this.#toNewest();
    else if (!this.#follower.atBottom) this.#below.hidden = false;
    this.#follower.follow();
    return true;
  }

  /**
   * Handles the event comment-deleted: shows a tombstone in the place of the comment, or nothing.
   * @param {string} id
   * @param {Comment | null} tombstone
   */
  remove(id, tombstone) {
    const shown = this.#shown.get(id);
    this.#deleted.add(id);
    const focused = shown?.item.contains(document.activeElement);
    if (tombstone && shown) {
      this.#fill(shown.item, tombstone);
    } else if (tombstone && !this.#isEarlier(id)) {
      this.#insert(tombstone);
    } else if (!tombstone && shown) {
      this.#shown.delete(id);
      shown.item.remove();
    }
    for (const one of this.#shown.values()) {
      if (one.comment.parentId === id) this.#mention(one.item, one.comment);
    }
    // The focused button was removed: without this, the Tab key starts at the top of the page.
    if (focused) this.#box.focus({ preventScroll: true });
    this.#empty.hidden = this.#shown.size > 0;
  }

  /** Whether a comment is earlier than all that are shown, and so not loaded. */
  #isEarlier(id) {
    const oldest = this.#list.firstElementChild;
    return !this.#earlier.hidden && oldest !== null && isLater(oldest.dataset.commentId, id);
  }

  #toNewest() {
    this.#below.hidden = true;
    this.#follower.jump();
  }

  #insert(comment) {
    const item = stamp('comment');
    item.dataset.commentId = comment.id;
    item.addEventListener('animationend', () => item.classList.remove('fresh'));
    part(item, 'reply').addEventListener('click', () => this.#acts.reply(this.#shown.get(comment.id).comment));
    part(item, 'delete').addEventListener('click', () => this.#acts.remove(comment));
    this.#fill(item, comment);

    let next = null;
    let before = this.#list.lastElementChild;
    while (before && isLater(before.dataset.commentId, comment.id)) {
      next = before;
      before = before.previousElementSibling;
    }
    this.#list.insertBefore(item, next);
    return item;
  }

  #fill(item, comment) {
    this.#shown.set(comment.id, { comment, item });
    const deleted = comment.status === 'deleted';
    const name = deleted ? '' : nameOf(comment.author);
    const mine = comment.author?.id === this.#me;
    const initial = part(item, 'initial');
    initial.textContent = deleted ? '' : initialOf(name);
    initial.dataset.who = comment.author?.id ?? '';
    item.classList.toggle('deleted', deleted);
    item.classList.toggle('answer', comment.parentId !== null);
    part(item, 'author').textContent = name;
    part(item, 'text').textContent = deleted ? 'This comment was deleted.' : comment.body;
    part(item, 'edited').hidden = deleted || !comment.editedAt;
    part(item, 'reply').hidden = deleted || mine;
    part(item, 'delete').hidden = deleted || !mine;
    part(item, 'reply').setAttribute('aria-label', `Reply to ${name}`);
    showTime(part(item, 'time'), comment.createdAt);
    this.#mention(item, comment);
  }

  /** Shows which comment a reply answers. The list is in order of time, so the two may be far apart. */
  #mention(item, comment) {
    const line = part(item, 'mention');
    line.hidden = comment.parentId === null;
    if (line.hidden) return;
    const parent = this.#shown.get(comment.parentId)?.comment;
    if (!parent) line.textContent = '↪ an earlier comment';
    else if (parent.status === 'deleted') line.textContent = '↪ a deleted comment';
    else line.textContent = `↪ ${nameOf(parent.author)}: ${parent.body}`;
  }

  #trim() {
    while (this.#shown.size > MAX_COMMENTS) {
      const oldest = this.#list.firstElementChild;
      this.#shown.delete(oldest.dataset.commentId);
      oldest.remove();
      this.#earlier.hidden = false;
    }
  }
}
