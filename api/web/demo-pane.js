// The pane of one user: what it reads from the API, and what each event changes.

import { Api } from './demo-api.js';
import { Bell } from './demo-bell.js';
import { CommentList } from './demo-comments.js';
import { Composer } from './demo-composer.js';
import { initialOf, part, stamp } from './demo-dom.js';
import { Feed } from './demo-feed.js';
import { TypingLine } from './demo-typing.js';

const STATES = {
  connecting: { state: 'connecting', text: 'reconnecting' },
  live: { state: 'live', text: 'live' },
  gap: { state: 'connecting', text: 'gap, reading again' },
  closed: { state: 'closed', text: 'disconnected' },
};

/** The view of the post for one user. Panes share nothing with each other. */
export class Pane {
  /** The `<section>` that the caller puts on the page. */
  element = stamp('pane');
  #user;
  #api;
  #path;
  #comments;
  #composer;
  #typing;
  #bell;
  #feed;
  #disconnectedByUser = false;
  #wasLive = false;
  #likeEvents = 0;
  #liked = false; // as the server said last
  #liking = false; // a request is on its way
  #unannounced = 0;

  /**
   * @param {object} options
   * @param {import('./demo-api.js').DemoUser} options.user
   * @param {string} options.post
   * @param {string} options.about  the user's part in the demo, such as "wrote the post"
   * @param {(event: MessageEvent) => void} options.onEvent  called with every event
   */
  constructor({ user, post, about, onEvent }) {
    this.#user = user;
    this.#api = new Api(user);
    this.#path = `v1/posts/${encodeURIComponent(post)}`;
    this.#label(post, about);
    this.#comments = new CommentList(this.element, user.id, {
      reply: (comment) => this.#composer.replyTo(comment),
      remove: (comment) => this.#remove(comment),
    });
    this.#composer = new Composer(this.element, user.name, {
      send: async (draft, key) => {
        this.#comments.put(await this.#api.call('POST', `${this.#path}/comments`, draft, key));
      },
      typing: () => this.#api.call('POST', `${this.#path}/typing`),
    });
    this.#typing = new TypingLine(this.#part('typing'), user.id);
    this.#bell = new Bell(this.element);
    this.#feed = new Feed({
      api: this.#api,
      topics: [`post:${post}`, 'me'],
      read: () => this.#read(),
      onEvent: (event, data) => {
        onEvent(event);
        this.#apply(event.type, data);
      },
      onState: (state) => this.#showState(state),
    });
    this.#part('like').addEventListener('click', () => this.#toggleLike());
    this.#part('switch').addEventListener('click', () => this.#switch());
  }

  /** Connects, unless the user has pressed Disconnect. */
  resume() {
    if (!this.#disconnectedByUser) this.#feed.start();
  }

  /** Disconnects until resume(). */
  pause() {
    this.#feed.stop();
  }

  #part(role) {
    return part(this.element, role);
  }

  #label(post, about) {
    const { id, name } = this.#user;
    this.element.dataset.user = id;
    this.element.setAttribute('aria-label', `${name}’s window`);
    this.#part('initial').textContent = initialOf(name);
    this.#part('initial').dataset.who = id;
    this.#part('name').textContent = name;
    this.#part('part').textContent = about;
    this.#part('post-name').textContent = post;
  }

  /**
   * Reads comments and notifications, and returns the cursor of the comments, at which the stream
   * opens. A notification that was created between the two requests also comes as an event, which
   * replaces it.
   * @returns {Promise<string>}
   */
  async #read() {
    /** @type {import('./demo-api.js').CommentPage} */
    const list = await this.#api.call('GET', `${this.#path}/comments?flat=1&sort=newest&limit=50`);
    await this.#readInbox();
    this.#comments.reset(list.data, list.page.more);
    this.#showCommentCount(list.post.commentCount);
    this.#liked = list.post.liked;
    this.#showLiked(this.#liked);
    this.#showLikes(list.post.likeCount);
    return list.cursor;
  }

  async #readInbox() {
    const inbox = await this.#api.call('GET', 'v1/notifications?unread=true');
    this.#bell.reset(inbox.data, inbox.unread);
  }

  #apply(name, data) {
    switch (name) {
      case 'new-comment':
        if (!data.author) break; // removed since: its comment-deleted follows
        this.#typing.forget(data.author?.id);
        if (this.#comments.put(data, true) && data.author?.id !== this.#user.id) this.#announce();
        break;
      case 'comment-updated':
        if (!data.author) break;
        this.#comments.put(data);
        break;
      case 'comment-deleted':
        this.#comments.remove(data.id, data.tombstone);
        break;
      case 'comment-count':
        this.#showCommentCount(data.count);
        break;
      case 'like-update':
        if (!data.commentId) {
          this.#likeEvents += 1;
          this.#showLikes(data.count);
        }
        break;
      case 'post-updated': // the page shows neither title nor lock
        break;
      case 'post-deleted':
        this.#comments.reset([], false);
        this.#showCommentCount(0);
        this.#showLiked(false);
        this.#showLikes(0);
        break;
      case 'notification':
        this.#bell.ring(data);
        if (data.read === null || data.withdrawn === null) this.#readInbox().catch(() => {}); // too many for an event
        break;
      case 'liked': // perhaps in another tab
        if (data.commentId) break;
        this.#liked = data.liked;
        if (!this.#liking) this.#showLiked(data.liked);
        break;
      case 'moderation': // only moderators get it
        break;
      case 'typing':
        this.#typing.show(data);
        break;
      case 'presence':
        this.#showViewers(data.viewers);
        break;
    }
  }

  #showState(state) {
    const element = this.#part('state');
    if (state === 'live') this.#wasLive = true;
    else {
      this.#typing.clear();
      this.#showViewers(0);
    }
    element.dataset.state = STATES[state].state;
    element.toggleAttribute('data-gap', state === 'gap');
    element.textContent = state === 'connecting' && !this.#wasLive ? 'connecting' : STATES[state].text;
    if (state === 'gap') this.#composer.say('Some events could not be replayed, so the list was read again.');
    this.#part('switch').textContent = state === 'closed' ? 'Reconnect' : 'Disconnect';
  }

  #switch() {
    this.#disconnectedByUser = this.#part('state').dataset.state !== 'closed';
    if (this.#disconnectedByUser) this.pause();
    else this.resume();
  }

  async #remove(comment) {
    try {
      await this.#api.call('DELETE', `v1/comments/${encodeURIComponent(comment.id)}`);
      this.#comments.remove(comment.id);
    } catch (problem) {
      if (problem.code === 'not_found') this.#comments.remove(comment.id); // an earlier answer was lost
      else this.#composer.say(problem.message);
    }
  }

  /**
   * Shows the new state at once and sends one request at a time, until the server has the state
   * that is shown: two requests at once could arrive in any order.
   */
  async #toggleLike() {
    this.#showLiked(!this.#isShownLiked());
    if (this.#liking) return;
    this.#liking = true;
    try {
      while (this.#isShownLiked() !== this.#liked) await this.#sendLike(this.#isShownLiked());
    } catch (problem) {
      this.#composer.say(problem.message);
      await this.#readLiked();
    } finally {
      this.#liking = false;
    }
  }

  /** The count of the answer is not shown if a like-update came meanwhile, because that may be newer. */
  async #sendLike(liked) {
    const seen = this.#likeEvents;
    const answer = await this.#api.call(liked ? 'PUT' : 'DELETE', `${this.#path}/like`);
    this.#liked = answer.liked;
    if (seen === this.#likeEvents) this.#showLikes(answer.count);
  }

  /** Reads the state after a request whose answer is not known. Without an answer the last one is shown. */
  async #readLiked() {
    try {
      const list = await this.#api.call('GET', `${this.#path}/comments?limit=1`);
      this.#liked = list.post.liked;
    } catch {
      // The message of the first error stays.
    }
    this.#showLiked(this.#liked);
  }

  #isShownLiked() {
    return this.#part('like').getAttribute('aria-pressed') === 'true';
  }

  #showLiked(liked) {
    this.#part('like').setAttribute('aria-pressed', String(liked));
  }

  #showLikes(count) {
    this.#part('like-count').textContent = String(count);
    this.#part('like').setAttribute('aria-label', `Like this post, ${count} so far`);
  }

  #showCommentCount(count) {
    this.#part('comment-count').textContent = String(count);
    this.#part('comment-noun').textContent = count === 1 ? 'comment' : 'comments';
  }

  /** @param {number} count  0 if it is not known */
  #showViewers(count) {
    this.#part('viewers').textContent = count > 0 ? `${count} reading` : '';
  }

  /** Announces new comments to screen readers, at most once in 500 ms. */
  #announce() {
    this.#unannounced += 1;
    if (this.#unannounced > 1) return;
    const announcer = this.#part('announcer');
    announcer.textContent = '';
    setTimeout(() => {
      announcer.textContent = `${this.#user.name}: ${this.#unannounced} new ${this.#unannounced === 1 ? 'comment' : 'comments'}`;
      this.#unannounced = 0;
    }, 500);
  }
}
