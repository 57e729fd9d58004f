// What all elements share: attributes, a session, the language, and an end.

import { sessionFor, nameOf } from './sessions.js';
import { inEnglish, wordsOf } from './words.js';
import { Clock } from './time.js';

/** A constructable sheet belongs to one document. @type {WeakMap<Document, Map<string, CSSStyleSheet>>} */
const sheets = new WeakMap();

/**
 * @param {Document} page
 * @param {string} css
 */
function sheetFor(page, css) {
  const known = sheets.get(page) ?? new Map();
  sheets.set(page, known);
  if (!known.has(css)) {
    const sheet = new /** @type {any} */ (page.defaultView).CSSStyleSheet();
    sheet.replaceSync(css);
    known.set(css, sheet);
  }
  return known.get(css);
}

/**
 * The base of the elements. A subclass implements start, which is called when the element is in a
 * page and the texts are loaded. Everything that start begins ends with `signal`.
 */
export class Base extends HTMLElement {
  static observedAttributes = ['post', 'url', 'token', 'lang'];
  static css = '';

  #getToken;
  #end;
  /** @type {import('./sessions.js').Session | undefined} */
  #session;
  /** Names of changed attributes. @type {Set<string>} */
  #changed = new Set();
  words = inEnglish();
  clock = new Clock('en');

  constructor() {
    super();
    this.attachShadow({ mode: 'open' });
    for (const name of ['getToken', 'token', 'post']) { // set before the element was defined
      if (!Object.hasOwn(this, name)) continue;
      const value = /** @type {any} */ (this)[name];
      delete /** @type {any} */ (this)[name];
      /** @type {any} */ (this)[name] = value;
    }
  }

  /** A function that returns a token, or a promise of one. It is called again when a token ends. */
  get getToken() { return this.#getToken; }
  set getToken(value) {
    this.#getToken = value;
    this.attributeChangedCallback('getToken');
  }

  get token() { return this.getAttribute('token'); }
  set token(value) { this.#set('token', value); }
  get post() { return this.getAttribute('post'); }
  set post(value) { this.#set('post', value); }

  /** The client of the element, or undefined while the element is in no page. */
  get client() { return this.#session?.client; }

  /** Ends when the element leaves the page or starts again. @returns {AbortSignal} */
  get signal() { return /** @type {AbortController} */ (this.#end).signal; }

  connectedCallback() {
    if (!this.#end && this.ownerDocument.defaultView) this.#begin();
  }

  connectedMoveCallback() {}

  disconnectedCallback() {
    // A node that is moved is disconnected and connected at once: it goes on.
    queueMicrotask(() => { if (!this.isConnected) this.#stop(); });
  }

  adoptedCallback() {
    this.#stop();
    this.connectedCallback();
  }

  attributeChangedCallback(name = '', old = '', value = name) {
    if (!this.#end || old === value) return;
    if (this.#changed.size === 0) queueMicrotask(() => this.#change());
    this.#changed.add(name);
  }

  /** Starts again, for example after a sign-in that has set a cookie. */
  reload() {
    this.#stop();
    this.connectedCallback();
  }

  /** Called when the element begins to be used. The texts are loaded. */
  start() {}

  /**
   * Calls back at each interval until the element ends.
   * @param {number} milliseconds
   * @param {() => void} act
   */
  every(milliseconds, act) {
    const timer = setInterval(act, milliseconds);
    this.signal.addEventListener('abort', () => clearInterval(timer));
  }

  /**
   * Asks the page to sign the user in.
   * @returns {boolean} false if a listener has called preventDefault
   */
  login() {
    return this.dispatchEvent(new CustomEvent('login', { bubbles: true, composed: true, cancelable: true }));
  }

  /** Opens the session. It throws if the attribute url is no address. */
  open() {
    this.#session = sessionFor(this.#access());
    return this.#session.client;
  }

  /** @returns {import('./sessions.js').Access} */
  #access() {
    return {
      url: this.getAttribute('url') ?? undefined,
      token: this.token ?? undefined,
      getToken: this.#getToken,
    };
  }

  /** Starts again, unless only the token has changed and is of the same user. */
  #change() {
    const other = [...this.#changed].some((name) => name !== 'token');
    this.#changed.clear();
    if (!this.#end) return;
    if (other || !this.token || !this.#session?.is(nameOf(this.#access()))) this.reload();
    else this.#session.renew(this.token);
  }

  async #begin() {
    const end = new AbortController();
    this.#end = end;
    const shadow = /** @type {ShadowRoot} */ (this.shadowRoot);
    shadow.adoptedStyleSheets = [sheetFor(this.ownerDocument, /** @type {any} */ (this.constructor).css)];
    const tag = this.#language();
    if (tag !== this.words.lang) {
      const words = /^en\b|^$/i.test(tag) ? inEnglish(tag) : await wordsOf(tag);
      if (end.signal.aborted) return;
      this.words = words;
      this.clock = new Clock(words.lang);
    }
    this.start();
  }

  #stop() {
    this.#end?.abort();
    this.#end = undefined;
    this.#session?.release();
    this.#session = undefined;
  }

  #language() {
    const near = /** @type {HTMLElement | null} */ (this.closest('[lang]'));
    return near?.lang || this.ownerDocument.documentElement.lang;
  }

  /**
   * @param {string} name
   * @param {string | null | undefined} value
   */
  #set(name, value) {
    if (value == null) this.removeAttribute(name);
    else this.setAttribute(name, value);
  }
}
