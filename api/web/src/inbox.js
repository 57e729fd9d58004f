// The notifications of the reader, kept up to date: docs/events.md, "Keep a page up to date", has the rules.

import { Live } from './live.js';

/** @typedef {import('../package/tidings').Notification} Notification */

/** Ids are numbers, which may be greater than 2^53. */
const byId = (a, b) => a.id.length - b.id.length || (a.id < b.id ? -1 : 1);

/** The notifications of the reader, newest first, and the number of unread ones. */
export class Inbox extends Live {
  unread = 0;
  /** @type {Notification[]} */
  notifications = [];
  more = false;

  #limit;
  /** @type {Map<string, Notification>} by id */
  #items = new Map();
  /** @type {string | null} where the next page begins */
  #next = null;
  /** @type {Notification | null} the last one that was loaded */
  #end = null;

  /**
   * @param {import('./client.js').Tidings} tidings
   * @param {{limit?: number}} [options]
   */
  constructor(tidings, { limit = 20 } = {}) {
    super(tidings);
    this.#limit = limit;
    tidings.on('notification', (e) => this._hear(e), this._until);
    this.load();
  }

  _read() {
    return this._tidings.notifications({ limit: this.#limit });
  }

  _take(answer) {
    this.#items = new Map();
    this.#add(answer);
    return ['me'];
  }

  #add({ data, page, unread }) {
    this.#next = page.next;
    this.#end = data.at(-1) ?? this.#end;
    this.unread = unread;
    for (const n of data) this.#put(n);
  }

  /** The likes of one post or comment are one notification, whose id changes. */
  #put(n) {
    for (const { id, kind, postId, commentId } of this.#items.values()) {
      if (n.kind === 'like' && kind === 'like' && postId === n.postId && commentId === n.commentId) this.#items.delete(id);
    }
    if (!this.#next || byId(n, this.#end) >= 0) this.#items.set(n.id, n);
  }

  _apply({ data }) {
    const { unread, read, withdrawn, readAt, ...n } = data;
    this.unread = unread;
    if (n.id) this.#put({ ...n, readAt });
    else if (!read && !withdrawn) this.load();
    for (const id of read ?? []) if (this.#items.has(id)) this.#items.set(id, { ...this.#items.get(id), readAt });
    for (const id of withdrawn ?? []) this.#items.delete(id);
  }

  _show() {
    this.notifications = [...this.#items.values()].sort((a, b) => byId(b, a));
    this.more = !!this.#next;
  }

  /** Reads the next page of the list. */
  async loadMore() {
    const items = this.#items;
    if (!this.more) return;
    await this._call(this._tidings.notifications({ limit: this.#limit, after: this.#next }), (answer) => items === this.#items && this.#add(answer));
  }

  /**
   * Marks notifications as read.
   * @param {string[] | 'all'} ids  at most 100
   */
  async markRead(ids) {
    const readAt = new Date().toISOString();
    await this._call(this._tidings.markRead(ids), ({ unread }) => {
      for (const [id, n] of this.#items) if (ids === 'all' || ids.includes(id)) this.#items.set(id, { ...n, readAt: n.readAt ?? readAt });
      this.unread = unread;
    });
  }
}
