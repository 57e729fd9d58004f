// The bell: the number of unread notifications, and a list of them.

import { isLater, nameOf, part, showTime, stamp } from './demo-dom.js';

/** @typedef {import('./demo-api.js').Notice} Notice */

/** The largest number of notifications in the list. */
const MAX_NOTICES = 20;

/** The notifications of one user. */
export class Bell {
  #details;
  #button;
  #badge;
  #list;
  #none;
  #seen = '0'; // id of the newest notification that was in the list when the user opened it
  #unread = 0;

  /** @param {HTMLElement} pane */
  constructor(pane) {
    this.#details = part(pane, 'bell');
    this.#button = part(pane, 'bell-button');
    this.#badge = part(pane, 'badge');
    this.#list = part(pane, 'notices');
    this.#none = part(pane, 'no-notices');
    document.addEventListener('click', (event) => {
      if (!this.#details.contains(event.target)) this.#details.open = false;
    });
    this.#details.addEventListener('toggle', () => this.#count(this.#unread));
    this.#details.addEventListener('animationend', () => this.#details.classList.remove('rung'));
    this.#details.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !this.#details.open) return;
      this.#details.open = false;
      this.#button.focus();
    });
  }

  /**
   * Shows a list that was read from the API, in place of the current one.
   * @param {Notice[]} notices  newest first
   * @param {number} unread
   */
  reset(notices, unread) {
    this.#list.replaceChildren();
    for (const notice of notices.slice(0, MAX_NOTICES).toReversed()) this.#insert(notice);
    this.#count(unread);
  }

  /**
   * Adds or replaces a notification and shows the new unread count. An event without an id says
   * that notifications were read or withdrawn.
   * @param {(Notice & {unread: number}) | {unread: number, withdrawn?: string[] | null, read?: string[] | null}} notice
   */
  ring(notice) {
    if (!notice.id) {
      for (const id of [...notice.withdrawn ?? [], ...notice.read ?? []]) {
        this.#list.querySelector(`[data-notice-id="${CSS.escape(id)}"]`)?.remove();
      }
      this.#count(notice.unread);
      return;
    }
    this.#insert(notice);
    while (this.#list.childElementCount > MAX_NOTICES) this.#list.lastElementChild.remove();
    this.#count(notice.unread);
    if (!notice.readAt) this.#details.classList.add('rung');
  }

  #insert(notice) {
    this.#list.querySelector(`[data-notice-id="${CSS.escape(notice.id)}"]`)?.remove();
    const item = stamp('notice');
    item.dataset.noticeId = notice.id;
    if (notice.kind === 'like') { // the likes of one post or comment are one notification
      item.dataset.liked = `${notice.postId} ${notice.commentId ?? ''}`;
      this.#list.querySelector(`[data-liked="${CSS.escape(item.dataset.liked)}"]`)?.remove();
    }
    if (notice.readAt) return; // the list has only those that are unread
    part(item, 'notice-text').textContent = textOf(notice);
    showTime(part(item, 'time'), notice.createdAt);
    const older = [...this.#list.children].find((other) => isLater(notice.id, other.dataset.noticeId));
    this.#list.insertBefore(item, older ?? null);
    this.#none.hidden = true;
  }

  /** Shows how many notifications came since the user opened the list. */
  #count(unread) {
    this.#unread = unread;
    if (this.#details.open) this.#remember();
    const items = [...this.#list.children];
    const fresh = Math.min(unread, items.filter((item) => isLater(item.dataset.noticeId, this.#seen)).length);
    this.#badge.textContent = fresh === MAX_NOTICES && unread > fresh ? `${fresh}+` : String(fresh);
    this.#badge.hidden = fresh === 0;
    this.#none.hidden = this.#list.childElementCount > 0;
    this.#button.setAttribute('aria-label', `Notifications, ${unread} unread`);
  }

  #remember() {
    for (const item of this.#list.children) {
      if (isLater(item.dataset.noticeId, this.#seen)) this.#seen = item.dataset.noticeId;
    }
  }
}

/**
 * @param {string} who
 * @param {number} count  of all users
 */
function othersWith(who, count) {
  if (count < 2) return who;
  return count === 2 ? `${who} and 1 other` : `${who} and ${count - 1} others`;
}

/** @param {Notice} notice */
function textOf(notice) {
  const who = nameOf(notice.actor);
  switch (notice.kind) {
    case 'comment': return `${who} commented on your post`;
    case 'reply': return `${who} replied to you`;
    case 'mention': return `${who} mentioned you`;
    case 'like': return `${othersWith(who, notice.count)} liked your ${notice.commentId ? 'comment' : 'post'}`;
    default: return `${who}: ${notice.kind}`;
  }
}
