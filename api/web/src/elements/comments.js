// <tidings-comments>: the comments of a post.

import { Base } from './base.js';
import { Composer } from './composer.js';
import { h, setText } from './dom.js';
import { Head } from './head.js';
import { List } from './list.js';
import { isPost, postOf } from './post.js';
import { css } from './sheet.js';

/** Attributes that start the element again when they change. */
const attributes = ['sort', 'flat', 'limit', 'login-url', 'edit-minutes', 'label'];

export class TidingsComments extends Base {
  static observedAttributes = [...Base.observedAttributes, ...attributes];
  static css = css;

  /** @type {import('../thread.js').Thread | undefined} */
  thread;
  /** The user's id, or null. @type {string | null} */
  user = null;
  locked = false;
  /** Whether the first list is shown. A comment that comes later fades in. */
  settled = false;
  #head;
  #list;
  #status;
  #typing;
  #place;
  #region;
  #composer;
  #telling = 0;
  /** The problem that the user has been told. */
  #failure = '';
  /** Whether the user has pressed the button that loads again. */
  #retried = false;
  /** What the composer's place shows. */
  #mode = '';

  get flat() { return this.hasAttribute('flat'); }
  get editMinutes() { return Number(this.getAttribute('edit-minutes') ?? 15); }

  /** The element of the shadow root that has the focus. @type {HTMLElement | null} */
  get focused() { return /** @type {any} */ (this.shadowRoot)?.activeElement; }

  start() {
    const { words } = this;
    this.settled = false;
    this.#mode = this.#failure = '';
    this.#list = new List(this);
    this.#head = new Head(this);
    this.#status = h('div.status');
    this.#typing = h('p.typing');
    this.#place = h('div.place');
    this.#region = h('div.unseen', { role: 'status', 'aria-live': 'polite' });
    const root = h('section.root', { 'aria-label': this.getAttribute('label') ?? words.say('heading'), lang: words.lang, dir: words.rtl && 'rtl' },
      this.#head.node, this.#place, this.#typing, this.#status, this.#list.node, this.#region);
    this.shadowRoot?.replaceChildren(root);
    this.#open();
  }

  #open() {
    const id = this.post ?? postOf(this.ownerDocument);
    if (!isPost(id)) return this.#fail(this.words.say('needPost'));
    const { signal } = this;
    try {
      const client = this.open();
      const sort = /** @type {any} */ (this.getAttribute('sort') ?? undefined);
      const thread = client.thread(id, { sort, flat: this.flat, limit: Number(this.getAttribute('limit')) || undefined });
      this.thread = thread;
      signal.addEventListener('abort', () => this.#close(thread));
      thread.on('change', (change) => this.#changed(change), { signal });
      client.on('state', () => this.#head.update(), { signal });
    } catch (error) {
      return this.#fail(/** @type {Error} */ (error).message);
    }
    addEventListener('hashchange', () => this.#follow(), { signal });
    // A page that is hidden may be ended without further notice.
    addEventListener('pagehide', () => this.#list.finish(), { signal });
    addEventListener('visibilitychange', () => document.hidden && this.#list.finish(), { signal });
    this.every(30_000, () => { if (!document.hidden) this.#list.tick(); });
    this.#render();
  }

  /** @param {import('../thread.js').Thread} thread */
  #close(thread) {
    this.#list.finish();
    clearTimeout(this.#telling);
    this.thread = undefined;
    thread.close();
  }

  /**
   * Waits for a call, and tells the user if it fails.
   * @param {Promise<unknown>} call
   * @param {() => void} [failed]
   */
  async attempt(call, failed) {
    try {
      await call;
    } catch (problem) {
      if (!this.thread) return;
      this.say(this.words.problem(problem));
      failed?.();
    }
  }

  /** Sends a comment or reply. It is shown at once. @param {string} text @param {string} [parentId] */
  write(text, parentId) {
    const sending = this.thread?.postComment(text, { parentId });
    sending?.then(() => this.announce(this.words.say('posted')), (problem) => this.announce(this.words.problem(problem)));
  }

  /** Tells screen readers the last of the texts that come within half a second. @param {string} text */
  announce(text) {
    clearTimeout(this.#telling);
    setText(this.#region, '');
    this.#telling = setTimeout(() => setText(this.#region, text), 500);
  }

  /** Shows and tells a problem until the next one, or for 8 s. @param {string} text */
  say(text) {
    this.announce(text);
    this.#head.say(text);
  }

  /** Shows the comments in another order. @param {any} order */
  resort(order) {
    this.#list.finish();
    this.thread?.setSort(order);
  }

  /** The address of a comment. @param {string} id */
  addressOf(id) {
    return location.href.split('#')[0] + '#comment-' + id;
  }

  login() {
    const url = this.getAttribute('login-url');
    const asked = super.login();
    if (asked && url) location.assign(url);
    return asked;
  }

  /** @param {any} change */
  #changed(change) {
    if (this.thread?.state === 'ready' && this.settled) this.#list.change(change);
    this.#render();
  }

  #render() {
    const { thread } = this;
    if (!thread) return;
    if (thread.state === 'error') return this.#fail(this.words.problem(thread.error), thread.error);
    if (thread.state !== 'ready') return this.#wait();
    const { user, locked } = this;
    this.#failure = '';
    this.#retried = false;
    this.user = thread.user;
    this.locked = thread.post.locked;
    this.#head.update();
    this.#compose();
    if (!this.settled) {
      this.#status.replaceChildren();
      this.#list.reset();
      this.settled = true;
      this.#follow();
    } else if (user !== this.user || locked !== this.locked) {
      this.#list.refresh();
    }
    this.#status.replaceChildren(...this.#list.empty ? [h('p', {}, this.words.say('empty'))] : []);
    setText(this.#typing, this.#typists());
  }

  /** Loads and marks the comment that the address names. */
  async #follow() {
    const [, id] = /^#comment-([\w-]+)$/.exec(location.hash) ?? [];
    if (!id || !this.thread) return;
    const { signal } = this;
    try {
      if (await this.thread.reveal(id) && !signal.aborted) this.#list.show(id);
    } catch { /* The list is shown without a mark. */ }
  }

  #typists() {
    const { words, thread } = this;
    const { users = [], count = 0 } = thread?.typing ?? {};
    const names = users.slice(0, 3).map(({ id, name }) => name || id);
    if (!names.length) return '';
    if (count > names.length) names.push(words.say('others', { n: count - names.length }));
    return words.say('typing', { names: words.list(names), count: names.length });
  }

  /** Shows the form, the button for signing in, or that the post is locked. */
  #compose() {
    const mode = this.locked ? 'locked' : this.user ? 'write' : 'signIn';
    if (mode === this.#mode) return;
    const { words } = this;
    if (this.#mode === 'write' && this.#composer?.dirty) return; // a text is not thrown away
    this.#mode = mode;
    if (mode === 'write') {
      this.#composer = new Composer(this, { label: words.say('write'), button: words.say('post'), send: (text) => this.write(text) });
      this.#place.replaceChildren(this.#composer.node);
    } else if (mode === 'signIn') {
      this.#place.replaceChildren(h('button.sign-in', { type: 'button', click: () => this.login() }, words.say('signIn')));
    } else {
      this.#place.replaceChildren(h('p.locked', {}, words.say('locked')));
    }
  }

  /** Shows what stands between the tags of the element until the list has come. */
  #wait() {
    if (this.settled || this.#status.firstChild) return;
    this.#status.append(h('slot', {}, h('p', {}, this.words.say('loading'))));
  }

  /**
   * Shows why there is no list, or tells why it is not up to date. The console says more, once.
   * @param {string} text
   * @param {any} [error]
   */
  #fail(text, error = text) {
    if (this.#failure === text) return;
    this.#failure = text;
    console.warn('tidings-comments:', error.detail ?? error);
    if (this.settled) return this.say(text);
    const { words } = this;
    const again = h('button.quiet', { type: 'button', click: () => this.#retry() }, words.say('retry'));
    this.#status.replaceChildren(h('div.error', { role: 'alert' }, h('p', {}, words.say('broken')), h('p', {}, text), again), h('slot'));
    if (this.#retried) again.focus();
    this.#retried = false;
  }

  #retry() {
    this.#retried = true;
    this.reload();
  }
}
