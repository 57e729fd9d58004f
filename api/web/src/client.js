// The client of one page: its topics, listeners, state and calls.

import { Api } from './api.js';
import { claims } from './calls.js';
import { Inbox } from './inbox.js';
import { Listeners } from './listeners.js';
import { Thread } from './thread.js';

/**
 * @typedef {object} Options
 * @property {string|URL} [url]  address of the server; the folder of the script by default
 * @property {string|null} [token]  a JWT; without it and getToken, the cookie counts
 * @property {() => string|null|Promise<string|null>} [getToken]  called at the start, when the token is
 *     about to end, and after a 401
 */

/** A reader of one server, as one user. The file tidings.d.ts describes its methods. */
export class Tidings extends Api {
  #listeners = new Listeners();
  /** @type {string|null|undefined} */
  #user;

  /** @param {Options} [options] */
  constructor(options = {}) {
    super(baseOf(options.url), options, (user) => this.#note(user));
    if (options.token) this.#note(claims(options.token).sub ?? null);
  }

  /** The id of the user, null without one, undefined until it is known. */
  get user() {
    return this.#user;
  }

  /**
   * Calls fn with each event of a name, "*" for all, until the returned function is called or the
   * signal ends.
   * @param {string} name
   * @param {(event: import('./listeners.js').Event) => void} fn
   * @param {{topic?: string, signal?: AbortSignal}} [options]
   */
  on(name, fn, options) {
    return this.#listeners.add(name, fn, options);
  }

  /**
   * The comments of a post, kept up to date until close().
   * @param {string} post
   * @param {import('../package/tidings').ThreadOptions} [options]
   */
  thread(post, options) {
    return new Thread(this, post, options);
  }

  /**
   * The notifications of the user, kept up to date until close().
   * @param {{limit?: number}} [options]
   */
  inbox(options) {
    return new Inbox(this, options);
  }

  /** @param {string|null} user */
  #note(user) {
    if (user === this.#user) return;
    this.#user = user;
    this.#listeners.tell('user', user);
  }
}

/**
 * Returns the address of the server, which ends in "/". It throws a TypeError if url is no address.
 * @param {string|URL} [url]
 */
function baseOf(url) {
  // In the npm package import.meta.url is undefined.
  const base = url ? new URL(url, globalThis.location?.href) : import.meta.url && new URL('.', import.meta.url);
  if (!base) throw new TypeError('Tidings needs the option url');
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  base.search = base.hash = '';
  return base;
}
