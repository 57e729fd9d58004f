// Threads and inboxes of several readers, which follow events and act at random.

import { Tidings } from '/src/whole.js';
import { Inbox } from '/src/inbox.js';
import { Thread } from '/src/thread.js';

/** @type {Map<string, Tidings>} by user; '' is nobody */
const readers = new Map();
/** @type {{thread: Thread, list: {post: string, sort: string, flat: boolean, limit: number, user: string}}[]} */
const threads = [];
/** @type {Map<string, Inbox>} by user */
const inboxes = new Map();
const paused = {}; // the last round of each user and post
let calls = 0; // in flight
let random = () => 0;

/** Counts the calls in flight of a client. */
function counted(tidings) {
  for (const name of ['comments', 'replies', 'comment', 'notifications', 'postComment', 'edit', 'delete', 'like', 'likeComment', 'markRead']) {
    const call = tidings[name].bind(tidings);
    tidings[name] = async (...args) => {
      calls++;
      try {
        return await call(...args);
      } finally {
        calls--;
      }
    };
  }
  return tidings;
}

const settled = () => new Promise((done) => setTimeout(done, 25)); // longer than changes are gathered
const pick = (all) => all[Math.floor(random() * all.length)];

/** Starts threads of the lists, and the inboxes of the users that have tokens. */
window.start = async (lists, tokens, seed) => {
  random = () => { // mulberry32
    let t = (seed += 0x6d2b79f5);
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  for (const [user, token] of Object.entries(tokens)) {
    const tidings = counted(new Tidings({ url: location.origin, token }));
    tidings.on('pause', ({ topic, data }) => { paused[`${user} ${topic}`] = data; });
    readers.set(user, tidings);
    if (user) inboxes.set(user, new Inbox(tidings, { limit: 6 }));
  }
  for (const list of lists) threads.push({ list, thread: new Thread(readers.get(list.user), list.post, list) });
};

const acts = [
  ({ thread }) => thread.loadMore(),
  ({ thread }) => {
    const root = pick(thread.comments.filter((c) => c.moreReplies));
    return root && thread.loadReplies(root.id);
  },
  ({ thread }) => inboxes.get(thread.user)?.loadMore(),
  ({ thread }) => thread.user && thread.like(random() < 0.5),
  ({ thread }) => thread.user && thread.comments.length && thread.likeComment(pick(thread.comments).id, random() < 0.5),
  // Where the list has the place of a new comment: elsewhere it would stand after the loaded ones.
  ({ thread, list }) => thread.user && (list.sort === 'newest' || !thread.more) && thread.postComment(`own ${random()}`),
  ({ thread }) => {
    const root = pick(thread.comments.filter((c) => c.moreReplies === false && c.status === 'published'));
    return root && thread.user && thread.postComment(`own ${random()}`, { parentId: pick([root, ...root.replies]).id });
  },
  ({ thread }) => {
    const own = pick(thread.comments.filter((c) => c.author?.id === thread.user && c.status === 'published'));
    return own && (random() < 0.5 ? thread.edit(own.id, `edited ${random()}`) : thread.delete(own.id));
  },
  ({ thread }) => {
    const one = pick(inboxes.get(thread.user)?.notifications ?? []);
    return one && inboxes.get(thread.user).markRead(random() < 0.2 ? 'all' : [one.id]);
  },
];
let acted = 0;

let acting = Promise.resolve(); // until all acts have an answer
let on = false;

/** Acts now and then. A refusal is no fault. */
window.act = () => {
  on = true;
  acting = (async () => {
    while (on) {
      await settled();
      const act = acts[Math.floor(random() * acts.length)];
      await Promise.resolve(act(pick(threads))).then((done) => { if (done) acted++; }, () => {});
    }
  })();
};

/** Ends the acts, and returns when the last one has its answer: it is before the pause then. */
window.rest = () => {
  on = false;
  return acting;
};

/** Reports whether all readers have got the pause of the round, and all that was read by then is shown. */
window.quiet = async (round) => {
  for (const { list } of threads) if (paused[`${list.user} post:${list.post}`] !== round) return false;
  for (let before = true; before; ) {
    before = calls > 0;
    await settled();
    before ||= calls > 0;
  }
  return [...threads.map(({ thread }) => thread), ...inboxes.values()].every(({ state }) => state === 'ready');
};

/** Reads all lists to their ends. */
window.readAll = async () => {
  for (const { thread } of threads) {
    while (thread.more) await thread.loadMore();
    for (let root; (root = thread.comments.find((c) => c.moreReplies)); ) await thread.loadReplies(root.id);
  }
  for (const inbox of inboxes.values()) while (inbox.more) await inbox.loadMore();
};

/** The threads and inboxes as the API writes lists. Failed comments are left out. */
window.shown = () => JSON.stringify({
  threads: threads.map(({ thread, list }) => ({
    data: thread.comments.filter((c) => !c.failed).map((c) => {
      if (thread.get(c.id) !== c) throw new Error(`get(${c.id}) is another object`);
      const { replies, moreReplies, ...rest } = c;
      return list.flat ? rest : { ...rest, replies: { data: replies.filter((r) => !r.failed), page: { more: moreReplies, next: null } } };
    }),
    page: { more: thread.more, next: null },
    post: thread.post,
    user: thread.user,
  })),
  inboxes: Object.fromEntries([...inboxes].map(([user, inbox]) => [user, {
    data: inbox.notifications, page: { more: inbox.more, next: null }, unread: inbox.unread, user,
  }])),
  acted,
});
