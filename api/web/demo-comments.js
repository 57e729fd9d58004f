// The list of comments: newest at the bottom, each comment once.

import { Follower, initialOf, nameOf, part, showTime, stamp } from './demo-dom.js';

/** @typedef {import('./demo-api.js').Comment} Comment */

// A pasted INSERT … SELECT may bring thousands: the page keeps the newest.
const MOST = 200;

/** The comments of one pane, as one user sees them. */
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
  /** Deleted here, by id: an event that was already on its way must not bring one back. */
  #gone = new Set();

  /**
   * @param {HTMLElement} pane
   * @param {string} me  the id of the user whose pane it is
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
   * Shows a list that was read anew, in place of what was there.
   * @param {Comment[]} comments  newest first, as the API gives them
   * @param {boolean} more  whether there are earlier ones
   */
  reset(comments, more) {
    this.#shown.clear();
    this.#gone.clear();
    this.#list.replaceChildren();
    this.#earlier.hidden = !more;
    for (const comment of comments.toReversed()) this.#insert(comment);
    this.#empty.hidden = this.#shown.size > 0;
    this.#toNewest();
  }

  /**
   * Adds a comment, or updates the one that is there; an older version changes nothing.
   * @param {Comment} comment
   * @returns {boolean} whether it is new here
   */
  put(comment) {
    if (this.#gone.has(comment.id)) return false;
    const there = this.#shown.get(comment.id);
    if (there) {
      if (comment.version > there.comment.version) this.#fill(there.item, comment);
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
   * Takes a comment away, or leaves a tombstone if replies to it are shown.
   * @param {string} id
   */
  remove(id) {
    const there = this.#shown.get(id);
    this.#gone.add(id);
    if (!there) return;
    const { comment, item } = there;
    const focused = item.contains(document.activeElement);
    const replies = [...this.#shown.values()].filter((one) => one.comment.parentId === id);
    if (replies.length > 0) {
      this.#fill(item, { ...comment, status: 'deleted', author: null, body: '' });
      for (const reply of replies) this.#mention(reply.item, reply.comment);
    } else {
      this.#shown.delete(id);
      item.remove();
    }
    // The button that had the focus is gone: without this a keyboard starts over at the top.
    if (focused) this.#box.focus({ preventScroll: true });
    this.#empty.hidden = this.#shown.size > 0;
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

  /** What a reply answers, said in a line of its own: the list is in order of time, not of talk. */
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
    while (this.#shown.size > MOST) {
      const oldest = this.#list.firstElementChild;
      this.#shown.delete(oldest.dataset.commentId);
      oldest.remove();
      this.#earlier.hidden = false;
    }
  }
}

/** Ids are whole numbers as strings, and may be greater than a Number can hold. */
function isLater(a, b) {
  return BigInt(a) > BigInt(b);
}
