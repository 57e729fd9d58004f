// The client of one page: its topics, listeners and state.

import { Caller, claims, sleep } from './calls.js';
import { Listeners } from './listeners.js';
import { Link } from './tabs.js';
import { Topics } from './topics.js';

/** Pages whose scripts speak the same protocol share a connection. */
const PROTOCOL = 1;

const RETRY_TOKEN = 5_000; // ms; half of the longest wait after getToken has failed

/**
 * @typedef {object} Options
 * @property {string|URL} [url]  address of the server; the folder of the script by default
 * @property {string|null} [token]  a JWT; without it and getToken, the cookie counts
 * @property {() => string|null|Promise<string|null>} [getToken]  called at the start, when the token is
 *     about to end, and after a 401
 * @property {string[]} [topics]
 * @property {boolean} [tabs]  share one connection with other tabs; true by default
 * @property {boolean} [presence]  ask for events presence
 */

/** A reader of one server, as one user, without calls. */
export class Client extends Listeners {
  #topics;
  #share;
  state = 'connecting';
  /** @type {string|null|undefined} the id of the user, null without one, undefined until it is known */
  user;
  /** @type {Record<string, any>} of the token */
  #claims = {};
  #name = ''; // of the tabs that share a connection
  /** @type {Link|null} */
  #link = null;
  #joining = 0; // number of the last attempt to join; an earlier one ends
  #away = false; // the page is frozen, or in the back-forward cache
  #closed = new AbortController();
  /** @type {Set<string>} errors that the console has */
  #warned = new Set();

  /** @param {Options} [options] */
  constructor(options = {}) {
    super();
    this.caller = new Caller(baseOf(options.url), options, (user) => this.#note(user));
    this.#share = options.tabs ?? true;
    this._presence = options.presence ?? false;
    this.#topics = new Topics(this.caller, this);
    this.on('refused', ({ data: { topics, problem } }) => {
      this.#warn(problem, `: ${topics}`);
      this.#update();
    });
    for (const topic of options.topics ?? []) this.#topics.add(topic);
    this.#observe();
    this.#join();
  }

  /**
   * Reads a topic until as many calls of unsubscribe. With a cursor, the events after it come first.
   * A connection has room for 50 topics; spare ones are refused first.
   * @param {string} topic
   * @param {{cursor?: string, spare?: boolean}} [options]
   */
  subscribe(topic, options) {
    this.#topics.add(topic, options);
    this.#update();
  }

  /** @param {string} topic */
  unsubscribe(topic) {
    this.#topics.remove(topic);
    this.#update();
  }

  /**
   * Signs in, out, or in as another user.
   * @param {string|null} token
   */
  setToken(token) {
    this.caller.setToken(token);
    this.#topics._forget();
    this.#rejoin();
  }

  /** Ends the connection. The listeners are called no more, but for the state. */
  close() {
    this.#closed.abort();
    this.#leave();
    this.#setState('closed');
  }

  /** Watches what the browser says of the page and the network. */
  #observe() {
    const { window, document } = globalThis;
    /** @type {(target: EventTarget|undefined, name: string, act: () => void) => void} */
    const watch = (target, name, act) => target?.addEventListener(name, act, { signal: this.#closed.signal });
    watch(document, 'visibilitychange', () => this.#link?.look());
    watch(window, 'online', () => this.#link?._renew());
    // A frozen or cached page keeps its lock and its stream: it leaves, and joins again later.
    watch(document, 'freeze', () => this.#sleep(true));
    watch(document, 'resume', () => this.#sleep(false));
    watch(window, 'pagehide', () => this.#sleep(true));
    watch(window, 'pageshow', () => this.#sleep(false));
  }

  /** @param {boolean} away */
  #sleep(away) {
    if (away === this.#away) return;
    this.#away = away;
    if (away) this.#leave();
    else this.#join();
  }

  #update() {
    if (this.#link && this.#topics._wanted.length) this.#link._update();
    else this.#rejoin();
  }

  #rejoin() {
    this.#leave();
    this.#join();
  }

  #leave() {
    this.#joining++;
    this.#link?._leave();
    this.#link = null;
    this.#topics.stop();
  }

  /** Links the page to the server, once its user is known and while it has topics. */
  async #join() {
    if (this.#away || this.#closed.signal.aborted || !this.#topics._wanted.length) return;
    const attempt = ++this.#joining;
    const shares = this.#share && (await mayShare());
    try {
      this.#claims = claims(await this.caller.token());
    } catch (error) {
      this.#setState('offline');
      this.#fail(error);
      await sleep(RETRY_TOKEN * (1 + Math.random()), this.#closed.signal);
      if (attempt === this.#joining) this.#join();
      return;
    }
    if (attempt !== this.#joining) return;
    if (this.caller._bearer) this.#note(this.#claims.sub ?? null);
    const owner = {
      caller: this.caller,
      topics: this.#topics,
      presence: this._presence,
      state: (/** @type {string} */ state) => this.#setState(state),
      error: (/** @type {any} */ error) => this.#fail(error),
      user: (/** @type {string|null} */ user) => this.#note(user),
      apart: () => {
        this.#share = false;
        this.#rejoin();
      },
    };
    this.#name = this.#nameOf();
    this.#link = new Link(owner, this.#name, shares);
  }

  /** Returns the name of the tabs that may share a connection with this one. */
  #nameOf() {
    const { roles, topics } = this.#claims;
    return `tidings:${JSON.stringify([PROTOCOL, this.caller.base.href, this.user ?? null, roles, topics])}`;
  }

  /**
   * Notes as whom the server answers. As another user, the page reads on from now.
   * @param {string|null} user
   */
  #note(user) {
    if (user === this.user || user === undefined) return;
    if (this.user !== undefined) this.#topics._forget();
    this.user = this.#topics.user = user;
    this._tell('user', user);
    if (this.#link && this.#name !== this.#nameOf()) this.#rejoin();
  }

  /** @param {string} state */
  #setState(state) {
    if (state === this.state || this.state === 'closed') return;
    this.state = state;
    this._tell('state', state);
  }

  /** @param {any} error */
  #fail(error) {
    this.#warn(error);
    this._tell('error', error);
  }

  /**
   * Writes an error to the console, once.
   * @param {any} error
   */
  #warn({ code, name, message, detail }, more = '') {
    const text = `tidings: ${this.caller.base}: ${code ?? name}: ${message ?? detail}${more}`;
    if (!this.#warned.has(text)) console.warn(text);
    this.#warned.add(text);
  }
}

/** Reports whether the page has locks and channels: neither plain HTTP nor a sandboxed frame has both. */
async function mayShare() {
  try {
    await navigator.locks.query();
    return Boolean(globalThis.BroadcastChannel);
  } catch {
    return false;
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
