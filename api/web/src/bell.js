// <tidings-bell>: the number of unread notifications, and a list of them. comments.js loads this
// file when a page has such an element, and gives it what the elements share.

import { css } from './elements/bellsheet.js';

/** The texts in English. @type {Record<string, import('./elements/words.js').Text>} */
const english = {
  notifications: 'Notifications',
  unread: { one: '{n} unread', other: '{n} unread' },
  none: 'No notifications.',
  readAll: 'Mark all as read',
  notifiedComment: '{name} commented on your post',
  notifiedReply: '{name} replied to you',
  notifiedMention: '{name} mentioned you',
  likedComment: { one: '{names} likes your comment', other: '{names} like your comment' },
  likedPost: { one: '{names} likes your post', other: '{names} like your post' },
};

/** Names of texts by kinds of notifications. @type {Record<string, string>} */
const texts = { comment: 'notifiedComment', reply: 'notifiedReply', mention: 'notifiedMention' };

const drawing = 'M6 9.5a6 6 0 0 1 12 0c0 5 2 6.5 2 6.5H4s2-1.5 2-6.5M10 19.5a2.2 2.2 0 0 0 4 0';

/**
 * Returns the class of the element.
 * @param {any} kit  Base and functions of elements/
 */
export default function bellOf({ Base, avatar, h, icon, setAttribute, setText }) {
  return class TidingsBell extends Base {
    static observedAttributes = [...Base.observedAttributes, 'limit', 'link'];
    static css = css;

    /** @type {import('./inbox.js').Inbox | undefined} */
    inbox;
    #button;
    #badge;
    #panel;
    #list;
    #all;
    #none;
    #more;
    #region;
    #unread = 0;
    /** The rows by the ids of notifications. @type {Map<string, HTMLElement>} */
    #rows = new Map();

    start() {
      const { words, signal } = this;
      words.extra ??= english;
      this.#rows.clear();
      this.#badge = h('span.count', { hidden: true });
      this.#button = h('button.bell', { type: 'button', 'aria-expanded': 'false', click: () => this.#toggle(this.#panel.hidden) },
        icon(drawing), this.#badge);
      this.#list = h('ol.notifications', { role: 'list' });
      this.#all = h('button.quiet', { type: 'button', click: () => this.#read('all') }, words.say('readAll'));
      this.#none = h('p.none', {}, words.say('none'));
      this.#more = h('button.more', { type: 'button', click: () => this.inbox?.loadMore() }, words.say('more'));
      this.#panel = h('div.panel', { role: 'group', 'aria-label': words.say('notifications'), hidden: true },
        h('div.head', {}, h('h2.title', {}, words.say('notifications')), this.#all), this.#list, this.#none, this.#more);
      this.#region = h('div.unseen', { role: 'status', 'aria-live': 'polite' });
      this.shadowRoot.replaceChildren(h('div.root', { lang: words.lang, dir: words.rtl && 'rtl' },
        this.#button, this.#panel, this.#region));
      this.shadowRoot.addEventListener('keydown', (event) => this.#key(event), { signal });
      document.addEventListener('pointerdown', (event) => {
        if (!event.composedPath().includes(this)) this.#toggle(false);
      }, { signal });
      this.#listen();
    }

    #listen() {
      const { signal } = this;
      try {
        const client = this.open();
        client.on('user', () => this.#show(), { signal });
        const inbox = client.inbox({ limit: Number(this.getAttribute('limit')) || undefined });
        this.inbox = inbox;
        signal.addEventListener('abort', () => inbox.close());
        inbox.on('change', () => this.#show(), { signal });
        this.every(30_000, () => { if (!this.#panel.hidden) this.#tick(); });
      } catch (error) {
        console.warn('tidings-bell:', error);
      }
      this.#show();
    }

    #show() {
      const { words, inbox } = this;
      const unread = inbox?.unread ?? 0;
      this.#button.hidden = this.client?.user === null || inbox?.error?.status === 401; // nobody is signed in
      setText(this.#badge, unread > 99 ? words.numbers.format(99) + '+' : words.numbers.format(unread));
      this.#badge.hidden = unread === 0;
      setAttribute(this.#button, 'aria-label', `${words.say('notifications')}, ${words.say('unread', { n: unread })}`);
      if (unread > this.#unread && inbox?.state === 'ready') {
        setText(this.#region, words.say('unread', { n: unread }));
        this.#button.classList.remove('rung');
        requestAnimationFrame(() => this.#button.classList.add('rung'));
      }
      this.#unread = unread;
      this.#all.hidden = unread === 0;
      this.#more.hidden = !inbox?.more;
      this.#none.hidden = inbox?.state === 'loading' || !!inbox?.notifications.length;
      if (!this.#panel.hidden) this.#fill();
    }

    /** Puts the rows in order, and changes only those that differ. */
    #fill() {
      const rows = new Map();
      let next = this.#list.firstElementChild;
      for (const notification of this.inbox?.notifications ?? []) {
        const row = this.#rows.get(notification.id) ?? this.#row(notification);
        this.#update(row, notification);
        rows.set(notification.id, row);
        if (row === next) next = next.nextElementSibling;
        else this.#list.insertBefore(row, next);
      }
      for (const [id, row] of this.#rows) if (!rows.has(id)) row.remove();
      this.#rows = rows;
      this.#tick();
    }

    #row(notification) {
      return h('li', {}, h('a.row', { click: (/** @type {Event} */ event) => this.#follow(event, notification.id) },
        h('span.avatar'), h('span.what', {}, h('span'), h('time', { datetime: notification.createdAt })), h('span.dot')));
    }

    #update(row, notification) {
      const link = row.firstElementChild;
      const { actor } = notification;
      const place = link.firstElementChild;
      const who = `${actor?.id} ${actor?.name} ${actor?.avatarUrl}`;
      if (place.dataset.who !== who) avatar(place, actor, actor?.name || actor?.id || '');
      place.dataset.who = who;
      setText(link.querySelector('.what span'), this.#textOf(notification));
      link.classList.toggle('unread', !notification.readAt);
      setAttribute(link, 'href', this.#addressOf(notification));
    }

    #textOf({ kind, actor, count = 1, commentId }) {
      const { words } = this;
      const name = actor?.name || actor?.id || words.say('someone');
      if (kind !== 'like') return words.say(texts[kind] ?? 'notifiedComment', { name });
      const names = words.list(count > 1 ? [name, words.say('others', { n: count - 1 })] : [name]);
      return words.say(commentId ? 'likedComment' : 'likedPost', { names, count });
    }

    /** The address of the post, which is its id if that is a path, with the comment. */
    #addressOf({ postId, commentId }) {
      const hash = '#' + (commentId ? 'comment-' + commentId : '');
      const link = this.getAttribute('link');
      if (link) return link.replace('{post}', encodeURIComponent(postId)) + hash;
      return (/^\/(?!\/)/.test(postId) ? postId : '') + hash;
    }

    /**
     * Marks a notification as read and follows its link. A listener of the event open can go there
     * in another way, and calls preventDefault.
     */
    #follow(event, id) {
      const detail = this.inbox?.notifications.find((notification) => notification.id === id);
      const open = new CustomEvent('open', { detail, bubbles: true, composed: true, cancelable: true });
      if (!this.dispatchEvent(open)) event.preventDefault();
      this.#read([id]);
      this.#toggle(false);
    }

    async #read(ids) {
      try {
        await this.inbox?.markRead(ids);
      } catch (problem) {
        setText(this.#region, this.words.problem(problem));
      }
    }

    #tick() {
      for (const time of this.#list.querySelectorAll('time')) setText(time, this.clock.ago(time.dateTime));
    }

    /** Opens or closes the list. @param {boolean} on */
    #toggle(on) {
      this.#panel.hidden = !on;
      setAttribute(this.#button, 'aria-expanded', String(on));
      if (!on) return;
      this.#fill();
      this.#panel.classList.remove('flip');
      const { left, right } = this.#panel.getBoundingClientRect();
      this.#panel.classList.toggle('flip', left < 0 || right > innerWidth);
    }

    /** @param {KeyboardEvent} event */
    #key(event) {
      if (event.key !== 'Escape' || this.#panel.hidden) return;
      this.#toggle(false);
      this.#button.focus();
    }
  };
}
