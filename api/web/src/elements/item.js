// One comment of the list. It changes only the nodes whose content has changed.

import { h, heart, icon, setAttribute, setText } from './dom.js';
import { avatar } from './avatar.js';
import { Composer } from './composer.js';
import { showHTML } from './sanitize.js';

/** @typedef {import('../thread.js').ThreadComment} ThreadComment */

/** How long a deletion can be undone, in milliseconds. */
const UNDO = 8000;

/** A comment, and its replies if it is a root. */
export class Item {
  #host;
  #head;
  #name;
  #avatar;
  #time;
  #body;
  #acts;
  #like;
  #note;
  #form;
  /** The acts that are shown now. */
  #shown = '';
  #html = '';
  #who = '';
  #removal = 0;
  /** The replies that the list of replies shows. @type {readonly ThreadComment[] | undefined} */
  filled;
  /** The button that loads more replies. @type {HTMLElement | undefined} */
  moreButton;

  /**
   * @param {any} host  the element
   * @param {ThreadComment} comment
   */
  constructor(host, comment) {
    this.#host = host;
    this.comment = comment;
    this.#name = h('bdi.name');
    this.#avatar = h('span.avatar');
    this.#time = h('time', {});
    this.link = h('a.time', {}, this.#time);
    this.#head = h('header', {}, h(comment.parentId && !host.flat ? 'h4' : 'h3', {}, this.#name), this.link);
    this.#body = h('div.body', { dir: 'auto' });
    this.#note = h('p.state');
    this.#acts = h('div.acts');
    this.#like = h('button.like', { 'data-act': 'like', type: 'button' }, icon(heart), h('span'));
    this.article = h('article.comment', { tabindex: -1 },
      this.#avatar, h('div.main', {}, this.#head, this.#body, this.#note, this.#acts));
    this.node = h('li', {}, this.article);
    this.update(comment);
  }

  /** The list of replies. It is made when it is needed. */
  get replies() {
    this.list ??= this.node.appendChild(h('ol.replies', { role: 'list' }));
    return this.list;
  }

  /** Whether the user writes here, so that the comment must stay although it was deleted. */
  get writing() { return this.#form?.dirty ?? false; }

  /**
   * Shows the comment as it is now.
   * @param {ThreadComment} comment
   */
  update(comment) {
    this.comment = comment;
    const { words, clock, user } = this.#host;
    const gone = comment.status === 'deleted';
    const { author } = comment;
    const name = gone ? '' : author?.name || author?.id || words.say('someone');
    this.name = name;
    const who = `${author?.id} ${name} ${author?.avatarUrl}`;
    if (who !== this.#who) {
      this.#who = who;
      setText(this.#name, name);
      avatar(this.#avatar, gone ? null : author, name);
    }
    for (const [name, on] of Object.entries({ gone, pending: comment.pending, failed: comment.failed })) {
      this.node.classList.toggle(name, !!on);
    }
    this.article.dataset.id = comment.id;
    setAttribute(this.link, 'href', comment.pending || comment.failed ? null : this.#host.addressOf(comment.id));
    setAttribute(this.#time, 'datetime', comment.createdAt);
    setAttribute(this.link, 'title', clock.full(comment.createdAt));
    this.tick();
    this.#mark('pinned', !!comment.pinnedAt);
    this.#mark('edited', !!comment.editedAt && !gone);
    this.#showBody(gone);
    this.#showState();
    this.#showActs(gone, author?.id != null && author.id === user);
    this.#showAddressee();
  }

  /** Shows how long ago the comment was written. */
  tick() {
    setText(this.#time, this.#host.clock.ago(this.comment.createdAt));
  }

  /** Does what a button says. @param {string} act */
  act(act) {
    const { thread } = this.#host;
    const { id, body } = this.comment;
    const { words } = this.#host;
    switch (act) {
      case 'like': return this.#toggleLike();
      case 'reply': return this.#open(words.say('replyTo', { name: this.name }), words.say('reply'), '',
        (text) => { this.#close(); this.#host.write(text, id); });
      case 'edit': return this.#open(words.say('editOwn'), words.say('save'), body,
        async (text) => { await thread.edit(id, text); this.#close(); });
      case 'delete': return this.#remove();
      case 'undo': return this.#keep();
      case 'retry': return this.#host.attempt(thread.retry(id));
      case 'discard': return thread.discard(id);
    }
  }

  /** Deletes at once what could still be undone. */
  finish() {
    if (!this.#removal) return;
    clearTimeout(this.#removal);
    this.#removal = 0;
    this.#host.attempt(this.#host.thread.delete(this.comment.id), () => this.update(this.comment));
  }

  #remove() {
    this.#close();
    this.#removal = setTimeout(() => this.finish(), UNDO);
    this.#host.announce(this.#host.words.say('removing'));
    this.update(this.comment);
    this.#acts.querySelector('button')?.focus();
  }

  #keep() {
    clearTimeout(this.#removal);
    this.#removal = 0;
    this.update(this.comment);
    this.#acts.querySelector('[data-act=delete]')?.focus();
  }

  #toggleLike() {
    if (!this.#host.user) return this.#host.login();
    this.#host.attempt(this.#host.thread.likeComment(this.comment.id, !this.comment.liked));
  }

  /**
   * Opens the form for a reply or another text.
   * @param {string} label
   * @param {string} button
   * @param {string} text
   * @param {(text: string) => any} send
   */
  #open(label, button, text, send) {
    if (!this.#host.user) return this.#host.login();
    this.#form?.node.remove();
    this.#back = this.#host.focused;
    this.#form = new Composer(this.#host, { label, button, text, send, cancel: () => this.#close() });
    this.node.classList.toggle('editing', text !== '');
    this.#acts.after(this.#form.node);
    this.#form.focus();
  }

  /** The element that had the focus before the form was opened. @type {HTMLElement | undefined} */
  #back;

  #close() {
    this.#form?.node.remove();
    this.#form = undefined;
    this.node.classList.remove('editing');
    (this.#back?.isConnected ? this.#back : this.article).focus();
  }

  /**
   * Shows or removes a word behind the time.
   * @param {string} word
   * @param {boolean} on
   */
  #mark(word, on) {
    const mark = this.#head.querySelector('.' + word);
    if (!on) mark?.remove();
    else if (!mark) this.#head.append(h('span.' + word, {}, this.#host.words.say(word)));
  }

  /** @param {boolean} gone */
  #showBody(gone) {
    const { html, body } = this.comment;
    const shown = gone ? 'gone' : html || body;
    if (shown === this.#html) return;
    this.#html = shown;
    if (gone) setText(this.#body, this.#host.words.say('removed'));
    else if (html) showHTML(this.#body, html, body);
    else setText(this.#body, body);
  }

  #showState() {
    const { words } = this.#host;
    const { failed, pending, status } = this.comment;
    let text = '';
    if (this.#removal) text = words.say('removing');
    else if (failed) text = `${words.say('failed')} ${words.problem(failed)}`;
    else if (pending) text = words.say('sending');
    else if (status === 'pending') text = words.say('held');
    setText(this.#note, text);
    this.node.classList.toggle('removing', !!this.#removal);
  }

  /** @param {boolean} gone @param {boolean} own */
  #showActs(gone, own) {
    const { failed, pending, status, likeCount, liked, createdAt } = this.comment;
    const { words, locked, editMinutes } = this.#host;
    const open = status === 'published' && !gone;
    /** @type {string[]} */
    let acts = [];
    if (this.#removal) acts = ['undo'];
    else if (failed) acts = ['retry', 'discard'];
    else if (!pending && !gone) {
      const young = Date.now() - Date.parse(createdAt) < editMinutes * 60_000;
      acts = [open && 'like', open && !locked && 'reply', own && young && 'edit', own && 'delete'].filter((act) => !!act);
    }
    const shown = acts.join();
    if (shown !== this.#shown) {
      this.#shown = shown;
      const focus = this.#host.focused?.dataset.act;
      const had = this.#acts.contains(this.#host.focused);
      this.#acts.replaceChildren(...acts.map((act) => act === 'like' ? this.#like
        : h(`button.quiet.${act}`, { 'data-act': act, type: 'button' }, words.say(act))));
      if (had) (this.#acts.querySelector(`[data-act=${focus}]`) ?? this.article).focus();
    }
    setAttribute(this.#like, 'aria-pressed', String(!!liked));
    setAttribute(this.#like, 'aria-label', `${words.say('like')}, ${words.say('likes', { n: likeCount })}`);
    setText(this.#like.lastChild, likeCount ? words.numbers.format(likeCount) : '');
  }

  /** Shows which comment a reply answers, if that is not the one above the list of replies. */
  #showAddressee() {
    const { parentId, rootId } = this.comment;
    const shown = this.#head.querySelector('.addressee');
    const parent = parentId && (this.#host.flat || parentId !== rootId) ? this.#host.thread.get(parentId) : null;
    if (!parent?.author) return shown?.remove();
    const text = this.#host.words.say('inReply', { name: parent.author.name || parent.author.id });
    if (shown) setText(shown, text);
    else this.#head.firstChild.after(h('span.addressee', {}, text));
  }
}
