// The entry of the client: what a page imports. Calls, threads and inboxes are loaded when they are used first.

import { Client } from './client.js';
import { later, load } from './later.js';

export { Problem } from './calls.js';

const CALLS = [
  'comments', 'replies', 'comment', 'postComment', 'edit', 'delete', 'like', 'likeComment', 'getPost', 'putPost', 'counts',
  'typing', 'presence', 'notifications', 'markRead', 'moderation', 'setStatus', 'pin', 'revisions',
];
const OF_BOTH = ['load', 'loadMore'];
const OF_THREADS = [
  ...OF_BOTH, 'loadReplies', 'reveal', 'setSort', 'postComment', 'retry', 'discard', 'edit', 'delete', 'like', 'likeComment', 'signalTyping',
];

/** A reader of one server, as one user. The file tidings.d.ts describes its methods. */
export class Tidings extends Client {
  thread(post, options) {
    const none = new Set();
    const change = { ids: none, added: none, removed: none, post: false, list: false, remote: false };
    return later(({ Thread }) => new Thread(this, post, { presence: this._presence, ...options }), {
      post: { id: post, title: null, url: null, locked: false, commentCount: 0, likeCount: 0, liked: false },
      comments: [], typing: { users: [], count: 0 }, presence: null, get() {},
    }, OF_THREADS, change);
  }

  inbox(options) {
    return later(({ Inbox }) => new Inbox(this, options), { unread: 0, notifications: [] }, [...OF_BOTH, 'markRead']);
  }
}

for (const name of CALLS) {
  Tidings.prototype[name] = async function (...args) {
    return (await load()).call(this.caller, name, args);
  };
}
