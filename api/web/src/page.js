// The comments of a post as events change them: docs/events.md, "Keep a page up to date", has the rules.

import { Live } from './live.js';

/** @typedef {import('../package/tidings').ThreadComment} Comment */
/**
 * The loaded part of a list: up to the comment end, or all of it. next is where its next page begins.
 * @typedef {{whole?: boolean, end?: Comment, next?: string | null}} Span
 */

const TYPING_LASTS = 6_000; // ms
const NOBODY = { users: [], count: 0 };

/**
 * The place of a comment as text. All times have the same format, and ids are numbers. Pinned comments are behind
 * all others, and a comment that is not sent yet is behind those that are.
 */
const placeOf = (c, flat) => (c.pinnedAt && !flat ? `1${c.pinnedAt}` : `0${c.pending || c.failed ? '~' : c.createdAt}`) + c.id.padStart(20, '0');

/** Compares comments by place: pinned ones first, the last pin on top, and then the oldest or the newest ones. */
const orderOf = (oldest, flat) => (a, b) => {
  const [x, y] = [placeOf(a, flat), placeOf(b, flat)];
  const ascending = x < y ? -1 : +(x > y);
  return oldest && x < '1' && y < '1' ? ascending : -ascending;
};
const unlessGone = (error) => {
  if (error.status !== 404) throw error;
};
const emptyPost = (id) => ({ id, title: null, url: null, locked: false, commentCount: 0, likeCount: 0, liked: false });
const same = (a, b) => a.length === b?.length && a.every((one, i) => one === b[i]);

/** A list of comments, with replies below roots or flat. Comments and arrays that change are replaced, never changed. */
export class Page extends Live {
  /** @type {Comment[]} */
  comments = [];
  more = false;
  typing = NOBODY;
  /** @type {{viewers: number, users: {id: string, name: string}[]} | null} */
  presence = null;

  /** @type {Map<string, Comment>} all comments by id, in the order in which they were loaded */
  _items = new Map();
  /** @type {Map<string, Span>} the list, with the key '', and the replies of each root, with its id */
  #spans = new Map([['', {}]]);
  /** @type {Set<string>} ids of comments that the page has or gets wherever their places are */
  _kept = new Set();
  /** @type {Set<string>} ids of comments of which the page has to read what events do not say */
  #asked = new Set();
  #filling = false;
  /** @type {Map<string, Comment>} comments by id, as the listeners know them */
  #shown = new Map();
  #order = ''; // of the list, as the listeners know it
  #options;

  /**
   * @param {import('./client.js').Tidings} tidings
   * @param {string} post
   * @param {import('../package/tidings').ThreadOptions & {presence?: boolean}} [options]  presence: the client gets its events
   */
  constructor(tidings, post, { sort = 'newest', flat = false, limit = 20, presence = false } = {}) {
    super(tidings);
    this.#options = { sort, flat, limit, signal: this._until.signal };
    this.post = this._post = emptyPost(post);
    const topic = (this._topic = `post:${post}`);
    tidings.on('*', (e) => this._hear(e), { topic, ...this._until });
    tidings.on('liked', (e) => this._hear(e), this._until);
    tidings.on('refused', ({ data }) => data.topics.includes(topic) && this._fail(data.problem), this._until);
    this.load();
    if (presence) this._call(tidings.presence(post), (now) => (this.presence ??= now)).catch(() => {}); // events follow changes only
  }

  /** @param {string} id */
  get(id) {
    return this.#shown.get(id);
  }

  /** @param {'newest' | 'oldest' | 'top'} sort */
  setSort(sort) {
    this.#options.sort = sort;
    this.#spans.set('', {});
    this.state = 'loading';
    this._change();
    return this.load();
  }

  /** Reads the next page of the list. */
  async loadMore() {
    const span = this.#spans.get('');
    if (span.next) await this._call(this._read(span.next), (answer) => this.#spans.get('') === span && this.#add('', answer));
  }

  /**
   * Reads the next page of the replies of a root.
   * @param {string} id
   */
  async loadReplies(id) {
    const span = this.#spans.get(id);
    if (!span || span.whole) return;
    const read = this._tidings.replies(id, { ...this.#options, after: span.next });
    await this._call(read, (answer) => this.#spans.get(id) === span && this.#add(id, answer));
  }

  /**
   * Reads a comment that is not loaded, and the root above it, as a link to the comment needs. Both then stand
   * after the loaded ones. Returns false if there is no such comment.
   * @param {string} id
   * @returns {Promise<boolean>}
   */
  async reveal(id) {
    const read = async () => {
      const c = await this._tidings.comment(id);
      if (this.#listOf(c) && c.postId === this.post.id) await this.reveal(c.rootId);
      return c;
    };
    if (!this.get(id)) await this._call(read(), (c) => c.postId === this.post.id && this._keep(c)).catch(unlessGone);
    return !!this.get(id);
  }

  _read(after) {
    const { limit } = this.#options;
    return this._tidings.comments(this.post.id, { ...this.#options, after, limit: after ? limit : Math.min(100, Math.max(limit, this.comments.length)) });
  }

  _take(answer) {
    this._clear({});
    this._post = answer.post;
    this.#add('', answer);
    return answer.user ? [this._topic, 'me'] : [this._topic];
  }

  _clear(span) {
    this._items = new Map();
    this.#spans = new Map([['', span]]);
    this._kept = new Set();
    this.#asked = new Set();
  }

  /** Adds the next page of a list. */
  #add(key, { data, page }) {
    this.#spans.set(key, { whole: !page.more, next: page.next, end: data.at(-1) ?? this.#spans.get(key)?.end });
    for (const { replies, ...c } of data) {
      this._remove(c.id);
      this._items.set(c.id, c);
      if (replies) this.#add(c.id, replies);
    }
  }

  _apply({ event, data }) {
    const { thread, ...d } = data;
    switch (event) {
      case 'new-comment':
      case 'comment-updated':
        if (this._items.has(d.id) || d.status !== 'deleted') this._put(d);
        break;
      case 'comment-deleted':
        if (d.tombstone) this._put(d.tombstone);
        else this._remove(d.id);
        break;
      case 'comment-count':
        this._set('', { commentCount: d.count });
        break;
      case 'like-update':
        this._set(d.commentId, { likeCount: d.count });
        break;
      case 'liked':
        if (d.postId === this.post.id) this.#like(d.commentId, d.liked);
        break;
      case 'post-updated':
        for (const name in this.post) if (name in d) this._set('', { [name]: d[name] });
        break;
      case 'post-deleted':
        this._clear({ whole: true });
        this._post = emptyPost(this.post.id);
        break;
      case 'typing':
        this.typing = { users: d.users.filter(({ id }) => id !== this.user), count: d.count };
        this.typing.count -= d.users.length - this.typing.users.length;
        this._after('typing', TYPING_LASTS, () => {
          this.typing = NOBODY;
          this._change();
        });
        break;
      case 'presence':
        this.presence = d;
    }
    if (thread) {
      this._set(d.parentId, { replyCount: thread.parentReplyCount });
      this._set(d.rootId, { threadCount: thread.threadCount });
    }
  }

  /** The comment with the id; the post without one. */
  _get(id) {
    return id ? this._items.get(id) : this._post;
  }

  /** Sets fields of what _get returns. */
  _set(id, fields) {
    const one = { ...this._get(id), ...fields };
    if (!id) this._post = one;
    else if (this._items.has(id)) this._items.set(id, one);
  }

  /** Notes whether the reader likes a comment, or the post. A tombstone is not liked. */
  #like(id, liked) {
    if (this._get(id)?.status !== 'deleted') this._set(id, { liked });
  }

  /** Replaces a comment, or adds it, if its place is loaded. Otherwise the page does not have it afterwards. */
  _put(c) {
    const { id } = c;
    const was = this._items.get(id);
    const key = this.#listOf(c);
    const span = this.#spans.get(key);
    if (!span) return;
    const order = this.#orderOf(key);
    const loaded = order ? span.whole || (span.end && order(c, span.end) <= 0) : was;
    if (!loaded && !this._kept.has(id)) {
      this._remove(id);
      return;
    }
    if (!loaded && !was) this._items = new Map([[id, c], ...this._items]); // on top of a list without an order
    const visible = c.status !== 'deleted';
    this._items.set(id, { ...c, liked: visible && (c.liked ?? was?.liked ?? false) });
    if (!key && !this.#options.flat && !this.#spans.has(id)) this.#spans.set(id, { whole: !c.threadCount });
    if (!was || (was.status === 'deleted' && visible)) this.#asked.add(id);
  }

  /** Replaces a comment, or adds it wherever its place is. */
  _keep(c) {
    this._kept.add(c.id);
    this._put(c);
  }

  /** Removes a comment, a root with its replies. */
  _remove(id) {
    this._items.delete(id);
    this.#asked.delete(id);
    this._kept.delete(id);
    if (this.#spans.delete(id)) for (const c of this._items.values()) if (c.rootId === id) this._remove(c.id);
  }

  /** The key of the list that a comment is in. */
  #listOf(c) {
    return (!this.#options.flat && c.rootId) || '';
  }

  /** The order of a list; undefined for roots that stay as they were loaded. */
  #orderOf(key) {
    const { sort, flat } = this.#options;
    return key || sort !== 'top' ? orderOf(key || sort === 'oldest', flat) : undefined;
  }

  /** @param {boolean} remote  events have come */
  _show(remote) {
    /** @type {Map<string, Comment[]>} */
    const lists = new Map([['', []]]);
    for (const c of this._items.values()) {
      const key = this.#listOf(c);
      if (!lists.has(key)) lists.set(key, []);
      lists.get(key).push(c);
    }
    for (const [key, list] of lists) if (this.#orderOf(key)) list.sort(this.#orderOf(key));
    this.comments = lists.get('').map((c) => {
      const replies = lists.get(c.id) ?? [];
      const moreReplies = !this.#spans.get(c.id)?.whole;
      if (this.#options.flat || (same(replies, c.replies) && moreReplies === c.moreReplies)) return c;
      this._set(c.id, { replies, moreReplies });
      return this._items.get(c.id);
    });
    this.more = !!this.#spans.get('').next;
    const order = this.comments.map(({ id }) => id).join() + this.more;
    const change = { ids: new Set(), added: new Set(), removed: new Set(), post: this.post !== this._post, list: order !== this.#order, remote };
    for (const [id, c] of this._items) {
      const was = this.#shown.get(id);
      if (was !== c) (was ? change.ids : change.added).add(id);
    }
    for (const id of this.#shown.keys()) if (!this._items.has(id)) change.removed.add(id);
    this.post = this._post;
    this.#shown = new Map(this._items);
    this.#order = order;
    this.#fill();
    return change;
  }

  /** Reads what events do not say of comments, one call after the other. */
  async #fill() {
    if (this.#filling) return;
    this.#filling = true;
    for (const id of this.#asked) {
      this.#asked.delete(id);
      try {
        const { likeCount, status } = this._get(id);
        if (this.user && likeCount && status !== 'deleted') await this._call(this._tidings.comment(id), ({ liked }) => this.#like(id, liked));
        if (!this.#spans.get(id)?.end) await this.loadReplies(id);
      } catch (error) {
        if (error.status !== 404) this._fail(error); // an event follows that says that the comment is gone
      }
    }
    this.#filling = false;
  }
}
