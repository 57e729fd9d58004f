// The line above the comments: their number, the like of the post, the readers, and the order.

import { h, heart, icon, setAttribute, setText } from './dom.js';

/** States of the client, and what the badge says. */
const badges = {
  live: 'live', polling: 'live', connecting: 'connecting', reconnecting: 'reconnecting', offline: 'offline', closed: 'offline',
};

export class Head {
  #host;
  #title = h('h2.title');
  #badge = h('span.badge');
  #viewers = h('span.viewers');
  #like = h('button.like.post-like', { type: 'button' }, icon(heart), h('span'));
  #sort;
  #problem = h('p.note', { hidden: true });
  #timer = 0;

  /** @param {any} host  the element */
  constructor(host) {
    this.#host = host;
    const { words } = host;
    const orders = host.flat ? ['newest', 'oldest'] : ['newest', 'oldest', 'top'];
    const current = host.getAttribute('sort') ?? 'newest';
    this.#sort = h('select.sort', { 'aria-label': words.say('sort') },
      ...orders.map((order) => h('option', { value: order, selected: order === current }, words.say(order))));
    this.#sort.addEventListener('change', () => host.resort(this.#sort.value));
    this.#like.addEventListener('click', () => this.#toggle());
    setText(this.#title, words.say('heading'));
    this.node = h('div.head', {}, this.#title, this.#badge, this.#viewers,
      h('div.tools', {}, this.#like, this.#sort), this.#problem);
    this.#like.hidden = this.#sort.hidden = true;
    host.signal.addEventListener('abort', () => clearTimeout(this.#timer));
  }

  /** Shows what has changed. */
  update() {
    const { words, thread, client } = this.#host;
    if (thread?.state !== 'ready') return;
    const { commentCount, likeCount, liked } = thread.post;
    setText(this.#title, commentCount ? words.say('comments', { n: commentCount }) : words.say('heading'));
    const state = /** @type {keyof typeof badges} */ (client.state);
    setText(this.#badge, words.say(badges[state] ?? state));
    setAttribute(this.#badge, 'data-state', state);
    const readers = thread.presence?.viewers ?? 0;
    setText(this.#viewers, readers > 1 ? words.say('viewers', { n: readers }) : '');
    this.#like.hidden = false;
    setAttribute(this.#like, 'aria-pressed', String(!!liked));
    setAttribute(this.#like, 'aria-label', `${words.say('like')}, ${words.say('likes', { n: likeCount })}`);
    setText(this.#like.lastChild, likeCount ? words.numbers.format(likeCount) : words.say('like'));
    this.#sort.hidden = commentCount < 2;
  }

  /** Shows a problem for 8 s. @param {string} text */
  say(text) {
    setText(this.#problem, text);
    this.#problem.hidden = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { this.#problem.hidden = true; }, 8000);
  }

  #toggle() {
    const { thread, user } = this.#host;
    if (!user) return this.#host.login();
    this.#host.attempt(thread.like(!thread.post.liked));
  }
}
