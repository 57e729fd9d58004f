// The calls of the HTTP API, one method for each.

import { Caller, newKey, portions } from './calls.js';

/** The most posts of one request for counts, which is the server's limit. */
export const MOST_POSTS = 100;

/** A path below a post. Its id is in the query, because some proxies decode paths. */
const ofPost = (rest = '') => `v1/posts/-${rest}`;

/** @param {string} id */
const ofComment = (id, rest = '') => `v1/comments/${encodeURIComponent(id)}${rest}`;

/** @param {boolean} on */
const switched = (on) => (on ? 'PUT' : 'DELETE');

/**
 * The calls of the server. Each returns the JSON of the answer, and rejects with a Problem. The
 * file tidings.d.ts has the types of the answers, docs/api.md has examples.
 */
export class Api {
  /**
   * @param {URL} base
   * @param {{token?: string|null, getToken?: () => string|null|Promise<string|null>}} options
   * @param {(user: string|null) => void} onUser
   */
  constructor(base, options, onUser) {
    this.caller = new Caller(base, options, onUser);
  }

  /** @param {string} post */
  comments(post, { flat, ...options } = /** @type {any} */ ({})) {
    return this.#list(ofPost('/comments'), { post, flat: flat && 1, ...options });
  }

  /** @param {string} id */
  replies(id, options = {}) {
    return this.#list(ofComment(id, '/replies'), options);
  }

  /** @param {string} id */
  comment(id) {
    return this.#list(ofComment(id), {});
  }

  /**
   * Writes a comment. The same key makes a call that is repeated within a day get the first answer.
   * @param {string} post
   * @param {{body: string, parentId?: string|null, mentions?: string[], key?: string}} comment
   */
  postComment(post, { key = newKey(), ...body }) {
    return this.caller.call('POST', ofPost('/comments'), { query: { post }, body, headers: { 'Idempotency-Key': key } });
  }

  /**
   * @param {string} id
   * @param {string} body
   * @param {{version?: number, mentions?: string[]}} [options]  version: refuse the edit of another version
   */
  edit(id, body, { version, mentions } = {}) {
    const headers = version === undefined ? undefined : { 'If-Match': `"${version}"` };
    return this.caller.call('PATCH', ofComment(id), { body: { body, mentions }, headers });
  }

  /**
   * Deletes a comment. One that is gone is no error: the answer of the first request may be lost.
   * @param {string} id
   */
  async delete(id) {
    try {
      return await this.caller.call('DELETE', ofComment(id));
    } catch (/** @type {any} */ error) {
      if (error.status !== 404) throw error;
      return null;
    }
  }

  /** @param {string} post */
  like(post, liked = true) {
    return this.caller.call(switched(liked), ofPost('/like'), { query: { post } });
  }

  /** @param {string} id */
  likeComment(id, liked = true) {
    return this.caller.call(switched(liked), ofComment(id, '/like'));
  }

  /** @param {string} post */
  getPost(post) {
    return this.#list(ofPost(), { post });
  }

  /**
   * @param {string} post
   * @param {object} fields
   */
  putPost(post, fields) {
    return this.caller.call('PUT', ofPost(), { query: { post }, body: fields });
  }

  /**
   * Returns the numbers of comments and likes of posts, by their ids. As many requests are sent, one
   * after the other, as the posts need.
   * @param {string[]} posts
   */
  async counts(posts) {
    const all = {};
    for (const post of portions(posts, MOST_POSTS)) Object.assign(all, (await this.#list('v1/counts', { post })).data);
    return all;
  }

  /**
   * Tells the other readers that the user types. Send it every few seconds.
   * @param {string} post
   */
  typing(post) {
    return this.caller.call('POST', ofPost('/typing'), { query: { post }, once: true });
  }

  /** @param {string} post */
  presence(post) {
    return this.#list(ofPost('/presence'), { post });
  }

  notifications({ unread, ...options } = /** @type {any} */ ({})) {
    return this.#list('v1/notifications', { unread: unread && 1, ...options });
  }

  /** @param {string[]|'all'} ids  at most 100 */
  markRead(ids) {
    return this.caller.call('POST', 'v1/notifications/read', { body: ids === 'all' ? { all: true } : { ids } });
  }

  moderation(options = {}) {
    return this.#list('v1/moderation', options);
  }

  /**
   * @param {string} id
   * @param {string} status
   */
  setStatus(id, status) {
    return this.caller.call('PUT', ofComment(id, '/status'), { body: { status } });
  }

  /** @param {string} id */
  pin(id, pinned = true) {
    return this.caller.call(switched(pinned), ofComment(id, '/pin'));
  }

  /** @param {string} id */
  revisions(id, options = {}) {
    return this.#list(ofComment(id, '/revisions'), options);
  }

  /**
   * Reads one page of a list.
   * @param {string} path
   * @param {Record<string, any>} options  the query, and the signal
   */
  #list(path, { signal, ...query }) {
    return this.caller.call('GET', path, { query, signal });
  }
}
