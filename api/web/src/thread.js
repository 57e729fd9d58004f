// The comments of a post, as the reader changes them.

import { newKey } from './api.js';
import { Page } from './page.js';

/** @typedef {import('../package/tidings').ThreadComment} ThreadComment */

const TYPING_EVERY = 3_000; // ms between two signals

/** Marks a rejection as handled, because the page shows it. */
const shown = (promise) => {
  promise.catch(() => {});
  return promise;
};

/** The comments of a post. What the reader does is shown at once, and corrected by the answer or the event. */
export class Thread extends Page {
  /** @type {Map<string, Promise<any>>} the last like of each comment; '' is the post */
  #likes = new Map();
  /** @type {Map<string, {c: any, key: string, mentions?: string[]}>} own comments without an answer, by id */
  #drafts = new Map();
  #made = 0; // drafts
  #typedAt = 0;

  _take(answer) {
    const topics = super._take(answer);
    for (const { c } of this.#drafts.values()) this._keep(c);
    return topics;
  }

  /**
   * Shows a comment at once, with pending, and sends it. If that fails, the comment stays with failed, for retry
   * and discard, so the rejection of the promise may be ignored.
   * @param {string} body
   * @param {{parentId?: string | null, mentions?: string[]}} [options]
   * @returns {Promise<ThreadComment>}
   */
  postComment(body, { parentId = null, mentions } = {}) {
    const { user } = this;
    const id = `pending-${++this.#made}`;
    const known = [...this._items.values()].find(({ author }) => author?.id === user);
    const c = {
      id, postId: this.post.id, parentId, rootId: this.get(parentId)?.rootId ?? parentId,
      author: known?.author ?? { id: user, name: user, avatarUrl: null }, body, html: '', status: 'published', pinnedAt: null,
      likeCount: 0, replyCount: 0, threadCount: 0, createdAt: new Date().toISOString(), editedAt: null, version: 0, liked: false,
    };
    this.#drafts.set(id, { c, key: newKey(), mentions });
    return this.retry(id);
  }

  /**
   * Sends a comment again. The server writes it once, even if it has got the first request.
   * @param {string} id
   */
  retry(id) {
    const { c, ...options } = this.#drafts.get(id);
    const show = (state) => this._keep(Object.assign(c, { pending: false, failed: undefined, ...state }));
    show({ pending: true });
    this.#typedAt = 0;
    const { body, parentId } = c;
    const send = this._call(this._tidings.postComment(c.postId, { body, parentId, ...options }), (answer) => {
      this.discard(id);
      this._keep(answer);
    }, (failed) => this.#drafts.has(id) && show({ failed }));
    this._change();
    return shown(send.then((answer) => this.get(answer.id) ?? answer));
  }

  /**
   * Removes a comment that has failed.
   * @param {string} id
   */
  discard(id) {
    this.#drafts.delete(id);
    this._remove(id);
    this._change();
  }

  /** The event with an own comment may come before the answer. */
  _apply(e) {
    const { id, author, body, parentId } = e.data;
    for (const { c } of e.event === 'new-comment' && author?.id === this.user && !this._get(id) ? this.#drafts.values() : []) {
      if (!c.pending || c.body !== body || c.parentId !== parentId) continue;
      this.#drafts.delete(c.id);
      this._remove(c.id);
      this._kept.add(id);
      break;
    }
    super._apply(e);
  }

  /**
   * @param {string} id
   * @param {string} body
   * @param {{version?: number, mentions?: string[]}} [options]
   */
  async edit(id, body, options) {
    await this._call(this._tidings.edit(id, body, options), (c) => this._get(id) && this._put(c));
  }

  /** @param {string} id */
  async delete(id) {
    await this._call(this._tidings.delete(id), () => {
      const c = this._get(id);
      if (!c?.replyCount && !c?.threadCount) this._remove(id); // otherwise the event has the tombstone
    });
  }

  /** Likes the post, or removes the like. */
  like(liked = true) {
    return this.likeComment('', liked);
  }

  /** @param {string} id */
  likeComment(id, liked = true) {
    const was = this._get(id) ?? {};
    const set = (liked, likeCount) => this._set(id, { liked, likeCount });
    if (was.liked !== liked) set(liked, was.likeCount + (liked ? 1 : -1));
    const last = this.#likes.get(id);
    const send = async () => {
      await last?.catch(() => {});
      return id ? this._tidings.likeComment(id, liked) : this._tidings.like(this.post.id, liked);
    };
    const done = this._call(send(), (answer) => this.#likes.get(id) === done && set(answer.liked, answer.count), () => set(was.liked, was.likeCount));
    this.#likes.set(id, shown(done));
    this._change();
    return done;
  }

  /** Tells the other readers that the user types. Call it at each key. */
  signalTyping() {
    const now = Date.now();
    if (!this.user || now - this.#typedAt < TYPING_EVERY) return;
    this.#typedAt = now;
    shown(this._tidings.typing(this.post.id));
  }
}
