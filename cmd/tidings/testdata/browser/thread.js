// Cases of threads and inboxes with a client that does what the case says. Each throws if a value is wrong.

import { Thread } from '/src/thread.js';
import { Inbox } from '/src/inbox.js';
import { Problem } from '/src/calls.js';

/** A client without a server: a case answers its calls and tells its events. */
class Fake {
  listeners = [];
  calls = []; // not answered
  made = []; // names of all calls
  topics = [];

  on(name, fn, { topic, signal } = {}) {
    const listener = { name, fn, topic };
    this.listeners.push(listener);
    signal.addEventListener('abort', () => this.listeners.splice(this.listeners.indexOf(listener), 1));
  }

  subscribe(topic, { cursor }) { this.topics.push(`${topic} ${cursor}`); }

  unsubscribe(topic) { this.topics.splice(this.topics.findIndex((one) => one.startsWith(`${topic} `)), 1); }

  tell(event, data, { topic = event === 'liked' || event === 'notification' ? 'user:ann' : 'post:p', id = null } = {}) {
    for (const { name, fn, topic: of } of [...this.listeners]) {
      if ((name === event || name === '*') && (of === undefined || of === topic)) fn({ id, event, topic, data });
    }
  }

  /** The oldest call with the name that has no answer. */
  async call(name) {
    await until(() => this.calls.some((call) => call.name === name), `call of ${name}`);
    return this.calls.splice(this.calls.findIndex((call) => call.name === name), 1)[0];
  }

  async answer(name, value) {
    const call = await this.call(name);
    call.answer(structuredClone(value));
    await settled();
    return call.args;
  }

  async refuse(name, status) {
    (await this.call(name)).refuse(new Problem({ status, code: 'test' }));
    await settled();
  }
}
for (const name of ['comments', 'replies', 'comment', 'postComment', 'edit', 'delete', 'like', 'likeComment', 'typing', 'presence', 'notifications', 'markRead']) {
  Fake.prototype[name] = function (...args) {
    this.made.push(name);
    return new Promise((answer, refuse) => this.calls.push({ name, args, answer, refuse }));
  };
}

async function until(condition, what) {
  for (const end = Date.now() + 20_000; !condition(); await new Promise((done) => setTimeout(done, 2))) {
    if (Date.now() > end) throw new Error(`no ${what}`);
  }
}

/**
 * Lets promises and the next change settle. By the HTML standard, section Timers, a timer fires after those of the
 * page that were set before with the same time or less.
 */
const settled = () => new Promise((done) => setTimeout(done, 20));

function want(what, got, expected) {
  [got, expected] = [got, expected].map((value) => JSON.stringify(value));
  if (got !== expected) throw new Error(`${what}: got ${got}, want ${expected}`);
}

const at = (minute, second = 0) => `2026-01-02T03:${String(minute).padStart(2, '0')}:${String(second).padStart(2, '0')}.000000Z`;

/** A comment of a minute. */
const made = (id, minute, more) => ({
  id, postId: 'p', parentId: null, rootId: null, author: { id: 'ben', name: 'Ben', avatarUrl: null }, body: 'text', html: '<p>text</p>',
  status: 'published', pinnedAt: null, likeCount: 0, replyCount: 0, threadCount: 0, createdAt: at(minute), editedAt: null, version: 1, ...more,
});
const replyTo = (parentId, id, minute, more) => made(id, minute, { parentId, rootId: parentId, ...more });
const listed = (c) => ({ ...c, liked: false });
const end = { more: false, next: null };
const goesOn = { more: true, next: 'next' };

/** The list of a post with the roots 30 and 20, as far as those. 20 has the replies 21 and 22, and more. */
function list(sort = 'newest') {
  const data = [
    { ...listed(made('30', 30)), replies: { data: [], page: end } },
    { ...listed(made('20', 20)), replies: { data: [replyTo('20', '21', 21), replyTo('20', '22', 22)].map(listed), page: goesOn } },
  ];
  const post = { id: 'p', title: 'T', url: null, locked: false, commentCount: 4, likeCount: 0, liked: false };
  return { data: sort === 'oldest' ? data.reverse() : data, page: goesOn, post, user: 'ann', cursor: '1-100' };
}

/** A thread that has read the list. */
async function opened(options = {}, answer = list(options.sort)) {
  const fake = new Fake();
  const thread = new Thread(fake, 'p', options);
  const changes = [];
  thread.on('change', (change) => changes.push(change));
  await fake.answer('comments', answer);
  await until(() => thread.state === 'ready', 'list');
  changes.length = 0;
  return { fake, thread, changes };
}

/** A comment as text: its id, marks (^ pinned, x deleted, + liked, … pending, ! failed), and counts that are not 0. */
function mark(c) {
  const marks = { '^': c.pinnedAt, x: c.status === 'deleted', '+': c.liked, '…': c.pending, '!': c.failed };
  const counts = { l: c.likeCount, r: c.replyCount, t: c.threadCount };
  return c.id + Object.keys(marks).filter((sign) => marks[sign]).join('') + Object.keys(counts).filter((sign) => counts[sign]).map((sign) => sign + counts[sign]).join('');
}

/** A thread as text, with the ids of which it reads more (?). */
function shown({ fake, thread }) {
  const roots = thread.comments.map((c) => mark(c) + (c.replies?.length ? `(${c.replies.map(mark).join(' ')})` : ''));
  const asked = fake.calls.filter(({ name }) => name === 'comment' || name === 'replies').map(({ args }) => `?${args[0]}`);
  return [...roots, ...asked].join(' ');
}

const inThread = { parentId: '20', rootId: '20', thread: { parentReplyCount: 3, threadCount: 4 } };
const pinnedAt = at(45);

// name: [options, event, data, the thread then]
const rules = {
  Adds: [{}, 'new-comment', made('25', 25), '30 25 20(21 22)'],
  AddsInOrder: [{ sort: 'oldest' }, 'new-comment', made('25', 25), '20(21 22) 25 30'],
  AddsByIdAtTheSameTime: [{}, 'new-comment', made('31', 30), '31 30 20(21 22)'],
  AddsByNumberOfId: [{}, 'new-comment', made('100', 30), '100 30 20(21 22)'],
  LeavesOutOfRange: [{}, 'new-comment', made('19', 19), '30 20(21 22)'],
  LeavesOutOfRangeOldest: [{ sort: 'oldest' }, 'new-comment', made('31', 31), '20(21 22) 30'],
  AddsPinned: [{}, 'comment-updated', made('19', 19, { pinnedAt, threadCount: 1 }), '19^t1 30 20(21 22) ?19'],
  AsksForLiked: [{}, 'new-comment', made('25', 25, { likeCount: 1 }), '30 25l1 20(21 22) ?25'],
  AddsNoneToTop: [{ sort: 'top' }, 'new-comment', made('25', 25), '30 20(21 22)'],
  MovesNoneInTop: [{ sort: 'top' }, 'comment-updated', made('20', 20, { pinnedAt }), '30 20^(21 22)'],
  Moves: [{}, 'comment-updated', made('20', 35), '20(21 22) 30'],
  MovesPinned: [{}, 'comment-updated', made('20', 20, { pinnedAt }), '20^(21 22) 30'],
  MovesOutOfRange: [{}, 'comment-updated', made('20', 10), '30'],
  IgnoresUnknownStub: [{}, 'new-comment', made('25', 25, { status: 'deleted' }), '30 20(21 22)'],
  ReplacesByStub: [{}, 'comment-updated', made('30', 30, { status: 'deleted' }), '30x 20(21 22)'],
  LeavesReplyOutside: [{}, 'new-comment', made('25', 25, inThread), '30 20r3t4(21 22)'],
  AddsReplyInside: [{}, 'new-comment', made('211', 21, { ...inThread, createdAt: at(21, 30) }), '30 20r3t4(21 211 22)'],
  AddsReplyInsideTop: [{ sort: 'top' }, 'new-comment', made('211', 21, { ...inThread, createdAt: at(21, 30) }), '30 20r3t4(21 211 22)'],
  RemovesReply: [{}, 'comment-deleted', { id: '21', ...inThread, thread: { parentReplyCount: 1, threadCount: 2 }, tombstone: null }, '30 20r1t2(22)'],
  RemovesRoot: [{}, 'comment-deleted', { id: '20', thread: null, tombstone: null }, '30'],
  ReplacesByTombstone: [{}, 'comment-deleted', { id: '20', tombstone: made('20', 20, { status: 'deleted', threadCount: 2 }) }, '30 20xt2(21 22)'],
  AddsTombstone: [{}, 'comment-deleted', { id: '25', tombstone: made('25', 25, { status: 'deleted', threadCount: 2 }) }, '30 25xt2 20(21 22) ?25'],
  CountsLikes: [{}, 'like-update', { postId: 'p', commentId: '22', count: 3 }, '30 20(21 22l3)'],
  KnowsWhatIsLiked: [{}, 'liked', { postId: 'p', commentId: '22', liked: true }, '30 20(21 22+)'],
  KnowsTheTopic: [{}, 'liked', { postId: 'q', commentId: '22', liked: true }, '30 20(21 22)'],
  ClearsThePost: [{}, 'post-deleted', { postId: 'p' }, ''],
  IgnoresUnknownEvents: [{}, 'a.b', { id: '30', status: 'deleted', count: 3 }, '30 20(21 22)'],
};

const cases = {};
for (const [name, [options, event, data, expected]] of Object.entries(rules)) {
  cases[name] = async () => {
    const page = await opened(options);
    page.fake.tell(event, data);
    await settled();
    want('thread', shown(page), expected);
  };
}

// Events of the post change its fields, and only those that a list has.
cases.AppliesEventsOfThePost = async () => {
  const { fake, thread, changes } = await opened();
  fake.tell('comment-count', { postId: 'p', count: 7 });
  fake.tell('like-update', { postId: 'p', count: 8 });
  fake.tell('liked', { postId: 'p', liked: true });
  fake.tell('post-updated', { id: 'p', title: 'U', url: 'https://e.example/', authorId: 'ann', locked: true, commentCount: 7, likeCount: 8, createdAt: at(1) });
  await settled();
  want('post', thread.post, { id: 'p', title: 'U', url: 'https://e.example/', locked: true, commentCount: 7, likeCount: 8, liked: true });
  want('changes', changes.map(({ post, list, remote, ids }) => [post, list, remote, [...ids]]), [[true, false, true, []]]);
  fake.tell('post-deleted', { postId: 'p' });
  await settled();
  want('deleted post', [thread.post, thread.more], [{ id: 'p', title: null, url: null, locked: false, commentCount: 0, likeCount: 0, liked: false }, false]);
  fake.tell('new-comment', made('1', 1));
  await settled();
  want('a comment after that', thread.comments.map(mark), ['1']);
};

// Events that come together are one change, which has what differs from the change before.
cases.GathersChanges = async () => {
  const { fake, thread, changes } = await opened();
  const [first, second] = thread.comments;
  fake.tell('new-comment', made('31', 31));
  fake.tell('new-comment', made('32', 32));
  fake.tell('comment-deleted', { id: '32', tombstone: null });
  fake.tell('like-update', { postId: 'p', commentId: '22', count: 1 });
  fake.tell('comment-deleted', { id: '21', ...inThread, tombstone: null });
  await settled();
  want('changes', changes.map((c) => [[...c.ids].sort(), [...c.added], [...c.removed], c.post, c.list, c.remote]), [[['20', '22'], ['31'], ['21'], false, true, true]]);
  want('identity of a comment that has not changed', thread.comments[1] === first, true);
  want('identity of one that has', thread.comments[2] === second || thread.get('20') !== thread.comments[2], false);
  want('more replies', thread.comments.map((c) => c.moreReplies), [false, false, true]);
};

// The list is read at 100: events up to there are in it, whatever the connection sends.
cases.SkipsEventsBeforeTheList = async () => {
  const page = await opened();
  want('subscriptions', page.fake.topics, ['post:p 1-100', 'me 1-100']);
  page.fake.tell('comment-deleted', { id: '30', tombstone: null }, { id: '1-99' });
  page.fake.tell('comment-deleted', { id: '20', tombstone: null }, { id: '1-100' });
  await settled();
  want('thread', shown(page), '30 20(21 22)');
  page.fake.tell('comment-deleted', { id: '30', tombstone: null }, { id: '1-101' });
  page.fake.tell('new-comment', made('33', 33), { id: '2-5' }); // another history
  await settled();
  want('thread then', shown(page), '33 20(21 22)');
};

// The connection is ahead of the list: events that have come before the answer are applied to it.
cases.KeepsEventsThatComeBeforeTheAnswer = async () => {
  const fake = new Fake();
  const thread = new Thread(fake, 'p');
  fake.tell('new-comment', made('31', 31), { id: '1-101' });
  fake.tell('comment-deleted', { id: '30', tombstone: null }, { id: '1-102' });
  fake.tell('comment-deleted', { id: '20', tombstone: null }, { id: '1-100' });
  await settled();
  await fake.answer('comments', list());
  want('thread', shown({ fake, thread }), '31 20(21 22)');

  thread.loadMore();
  const more = await fake.call('comments');
  want('page', more.args, ['p', { sort: 'newest', flat: false, limit: 20, signal: {}, after: 'next' }]);
  fake.tell('comment-deleted', { id: '9', tombstone: null }, { id: '1-120' });
  fake.tell('like-update', { postId: 'p', commentId: '8', count: 5 }, { id: '1-121' });
  more.answer({ ...list(), data: [made('9', 9), made('8', 8)].map((c) => ({ ...listed(c), replies: { data: [], page: end } })), page: end, cursor: '1-110' });
  await settled();
  want('thread with more', shown({ fake, thread }), '31 20(21 22) 8l5');
  want('more', thread.more, false);

  const loaded = thread.loadReplies('20');
  const replies = await fake.call('replies');
  fake.tell('comment-updated', replyTo('20', '23', 23, { likeCount: 2, body: 'new' }), { id: '1-130' });
  replies.answer({ data: [listed(replyTo('20', '23', 23))], page: end, user: 'ann', cursor: '1-125' });
  await loaded;
  want('thread with replies', shown({ fake, thread }), '31 20(21 22 23l2) 8l5');
  want('text', thread.comments[1].replies[2].body, 'new');
};

// After a gap the list is read again. Comments that went in between are reported, and those that stay, too.
cases.ReadsAgainAfterAGap = async () => {
  const { fake, thread, changes } = await opened();
  fake.tell('gap', { reason: 'expired' }, { topic: null });
  const again = await fake.call('comments');
  fake.tell('new-comment', made('41', 41), { id: '1-201' });
  const answer = list();
  answer.data[0] = { ...listed(made('40', 40)), replies: { data: [], page: end } };
  again.answer({ ...answer, cursor: '1-200' });
  await settled();
  want('thread', shown({ fake, thread }), '41 40 20(21 22)');
  want('last change', [...changes.at(-1).removed], ['30']);
  want('topics', fake.topics, ['post:p 1-200', 'me 1-200']);
};

cases.ReadsAgainForAnotherUser = async () => {
  const { fake, thread } = await opened();
  fake.tell('user', 'ann', { topic: null });
  await settled();
  want('calls', fake.calls.length, 0);
  fake.tell('user', null, { topic: null });
  await fake.answer('comments', { ...list(), user: null });
  want('user and topics', [thread.user, fake.topics], [null, ['post:p 1-100']]);
};

// Of two loads only the newest counts, whichever is answered first.
cases.TakesTheNewestOfTwoLoads = async () => {
  const { fake, thread } = await opened();
  thread.setSort('oldest');
  const [first] = fake.calls.splice(0);
  thread.setSort('newest');
  await fake.answer('comments', list());
  first.answer({ ...list('oldest'), data: [] });
  await settled();
  want('thread', shown({ fake, thread }), '30 20(21 22)');
};

// A tombstone is not liked. When the comment is published again, the thread asks.
cases.KnowsWhatIsLikedAfterATombstone = async () => {
  const page = await opened();
  const liked = { postId: 'p', commentId: '30', liked: true };
  for (const [event, data, expected] of [
    ['liked', liked, '30+ 20(21 22)'],
    ['comment-deleted', { id: '30', tombstone: made('30', 30, { status: 'deleted', likeCount: 1 }) }, '30xl1 20(21 22)'],
    ['liked', liked, '30xl1 20(21 22)'],
    ['new-comment', made('30', 30, { likeCount: 1 }), '30l1 20(21 22) ?30'],
  ]) {
    page.fake.tell(event, data);
    await settled();
    want(`thread after ${event}`, shown(page), expected);
  }
  page.fake.tell('liked', { ...liked, liked: false }); // newer than the answer
  await page.fake.answer('comment', { ...made('30', 30, { likeCount: 1 }), liked: true });
  want('thread', shown(page), '30l1 20(21 22)');
};

cases.ReadsRepliesOfAddedRoots = async () => {
  const page = await opened();
  page.fake.tell('new-comment', made('25', 25, { threadCount: 1, replyCount: 1 }));
  const args = await page.fake.answer('replies', { data: [listed(replyTo('25', '26', 26))], page: end, user: 'ann', cursor: '1-150' });
  want('call', args[0], '25');
  want('thread', shown(page), '30 25r1t1(26) 20(21 22)');
  page.fake.tell('new-comment', made('28', 28, { threadCount: 1 }));
  await page.fake.refuse('replies', 404); // it is gone, as an event says that follows
  want('state', page.thread.state, 'ready');
};

// An own comment is shown at once, and then replaced by the event or the answer.
for (const first of ['event', 'answer']) {
  cases[`ReplacesOwnCommentByThe_${first}`] = async () => {
    for (const sort of ['newest', 'oldest', 'top']) {
      const page = await opened({ sort });
      const sent = page.thread.postComment('mine', { mentions: ['ben'] });
      const before = shown(page);
      want(`thread at once, ${sort}`, before, { newest: 'pending-1… 30 20(21 22)', oldest: '20(21 22) 30 pending-1…', top: 'pending-1… 30 20(21 22)' }[sort]);
      const [post, { key, ...input }] = (await page.fake.call('postComment').then((call) => (page.sending = call))).args;
      want('call', [post, input, key.length > 10], ['p', { body: 'mine', parentId: null, mentions: ['ben'] }, true]);
      const real = made('50', 50, { author: { id: 'ann', name: 'Ann', avatarUrl: null }, body: 'mine' });
      const event = () => page.fake.tell('new-comment', real, { id: '1-105' });
      if (first === 'event') event();
      else page.sending.answer(listed(real));
      await settled();
      const after = before.replace('pending-1…', '50');
      want(`thread after one, ${sort}`, shown(page), after);
      if (first === 'event') page.sending.answer(listed(real));
      else event();
      await settled();
      want(`thread after both, ${sort}`, shown(page), after);
      want('result', (await sent).id, '50');
    }
  };
}

// An event that is newer than the answer counts, although it comes before the answer.
cases.OwnCommentThatIsDeletedBeforeTheAnswer = async () => {
  const page = await opened();
  page.thread.postComment('mine', { parentId: '21' });
  want('thread at once', shown(page), '30 20(21 22 pending-1…)');
  const call = await page.fake.call('postComment');
  const real = replyTo('20', '50', 50, { author: { id: 'ann' }, body: 'mine', parentId: '21' });
  page.fake.tell('new-comment', real);
  page.fake.tell('comment-deleted', { id: '50', parentId: '21', rootId: '20', tombstone: null });
  call.answer(listed(real));
  await settled();
  want('thread', shown(page), '30 20(21 22)');
};

// A comment that fails stays, through a load of the list, too. It is sent again with the same key.
cases.RetriesAndDiscardsOwnComments = async () => {
  const page = await opened();
  const { fake, thread, changes } = page;
  thread.postComment('mine');
  thread.postComment('other');
  const calls = [await fake.call('postComment'), await fake.call('postComment')];
  for (const { refuse } of calls) refuse(new Problem({ status: 429, code: 'rate_limited' }));
  await settled();
  want('thread', shown(page), 'pending-2! pending-1! 30 20(21 22)');
  want('problem', thread.comments[0].failed.code, 'rate_limited');
  want('own changes', changes.some(({ remote }) => remote), false);
  fake.tell('gap', {}, { topic: null });
  await fake.answer('comments', { ...list(), cursor: '1-200' });
  want('thread after a gap', shown(page), 'pending-2! pending-1! 30 20(21 22)');
  thread.retry('pending-1');
  thread.discard('pending-2');
  await settled();
  want('thread after both', shown(page), 'pending-1… 30 20(21 22)');
  const again = await fake.call('postComment');
  want('same key', again.args[1].key === calls[0].args[1].key && again.args[1].key !== calls[1].args[1].key, true);
  again.answer(listed(made('50', 50, { author: { id: 'ann' }, body: 'mine', status: 'pending' }))); // held for a moderator
  await settled();
  want('thread at the end', [shown(page), thread.comments[0].status], ['50 30 20(21 22)', 'pending']);
};

// Two comments with the same text: an event is the answer of one of them only.
cases.SendsTheSameTextTwice = async () => {
  const page = await opened();
  page.thread.postComment('+1');
  page.thread.postComment('+1');
  const calls = [await page.fake.call('postComment'), await page.fake.call('postComment')];
  const real = (id) => made(id, 50, { author: { id: 'ann' }, body: '+1' });
  page.fake.tell('new-comment', real('51'));
  await settled();
  want('thread after an event', shown(page), 'pending-2… 51 30 20(21 22)');
  calls[1].answer(listed(real('51')));
  calls[0].answer(listed(real('52')));
  await settled();
  page.fake.tell('new-comment', real('52'));
  await settled();
  want('thread', shown(page), '52 51 30 20(21 22)');
};

// A like shows at once. The answer and the events correct it, and a refusal takes it back.
cases.LikesAtOnce = async () => {
  const page = await opened();
  const { fake, thread } = page;
  thread.likeComment('30');
  thread.like();
  want('at once', [shown(page), thread.post.likeCount, thread.post.liked], ['30+l1 20(21 22)', 1, true]);
  fake.tell('like-update', { postId: 'p', commentId: '30', count: 4 });
  await fake.answer('likeComment', { liked: true, count: 3 }); // older than the event
  want('after event and answer', shown(page), '30+l4 20(21 22)');
  fake.tell('like-update', { postId: 'p', count: 2 });
  await fake.refuse('like', 403);
  want('post after a refusal', [thread.post.likeCount, thread.post.liked], [2, false]);
  thread.likeComment('22');
  await fake.refuse('likeComment', 503);
  want('comment after a refusal', shown(page), '30+l4 20(21 22)');
};

// Calls for one comment follow one another, and only the last answer counts.
cases.LikesInOrder = async () => {
  const page = await opened();
  const { fake, thread } = page;
  for (const liked of [true, false, true]) thread.likeComment('30', liked);
  for (const liked of [true, false, true]) {
    want('calls in flight', (await until(() => fake.calls.length, 'call'), fake.calls.length), 1);
    want('call', await fake.answer('likeComment', { liked, count: liked ? 1 : 0 }), ['30', liked]);
    want('thread', shown(page), '30+l1 20(21 22)');
  }
};

cases.EditsAndDeletes = async () => {
  const page = await opened();
  const { fake, thread } = page;
  const edited = thread.edit('30', 'new', { version: 1 });
  await fake.answer('edit', { ...listed(made('30', 30, { body: 'new', version: 2 })) });
  await edited;
  want('text', thread.get('30').body, 'new');
  const removed = thread.delete('30');
  await fake.answer('delete', null);
  await removed;
  want('thread', shown(page), '20(21 22)');
  let problem;
  const refused = thread.delete('21').catch((error) => { problem = error; });
  await fake.refuse('delete', 403);
  await refused;
  want('refusal', [problem.status, shown(page)], [403, '20(21 22)']);
};

// Comments that were loaded are no news: a change has only events, or only answers.
cases.SeparatesEventsFromAnswers = async () => {
  const { fake, thread, changes } = await opened();
  const more = thread.loadMore();
  const call = await fake.call('comments');
  fake.tell('new-comment', made('40', 40));
  call.answer({ ...list(), data: [listed(made('9', 9))].map((c) => ({ ...c, replies: { data: [], page: end } })), page: end });
  await more;
  want('changes', changes.map(({ added, remote }) => [[...added], remote]), [[['40'], true], [['9'], false]]);
};

// Replies of a root that has gone are forgotten: when it returns, they are read again.
cases.ForgetsRepliesWithTheirRoot = async () => {
  const page = await opened();
  page.fake.tell('comment-updated', made('20', 10, { threadCount: 3 }));
  page.fake.tell('comment-deleted', { id: '21', ...inThread, tombstone: null });
  page.fake.tell('comment-updated', made('20', 35, { threadCount: 1 }));
  await settled();
  want('thread', shown(page), '20t1 30 ?20');
};

// An event that is applied again after an answer is the answer of no other comment.
cases.ComparesEventsOnce = async () => {
  const page = await opened();
  page.thread.postComment('+1');
  page.thread.postComment('+1');
  const calls = [await page.fake.call('postComment'), await page.fake.call('postComment')];
  const real = made('51', 50, { author: { id: 'ann' }, body: '+1' });
  page.fake.tell('new-comment', real);
  calls[0].answer(listed(real));
  await settled();
  want('thread', shown(page), 'pending-2… 51 30 20(21 22)');
};

// A link to a comment that is not loaded: it stands with its root after the loaded ones, and follows events.
cases.RevealsComments = async () => {
  const page = await opened();
  const { fake, thread } = page;
  want('a comment that is there', await thread.reveal('22'), true);
  const found = thread.reveal('12');
  await fake.answer('comment', listed(replyTo('10', '12', 12)));
  await fake.answer('comment', listed(made('10', 10, { threadCount: 2 })));
  want('found', await found, true);
  await fake.answer('replies', { data: [listed(replyTo('10', '11', 11))], page: goesOn, user: 'ann', cursor: '1-150' });
  want('thread', shown(page), '30 20(21 22) 10t2(11 12)');
  fake.tell('comment-updated', replyTo('10', '12', 12, { likeCount: 3 }));
  fake.tell('new-comment', made('9', 9));
  await settled();
  want('thread after events', shown(page), '30 20(21 22) 10t2(11 12l3)');
  const gone = thread.reveal('7');
  await fake.refuse('comment', 404);
  want('no such comment', await gone, false);
  const other = thread.reveal('8');
  await fake.answer('comment', { ...listed(made('8', 8)), postId: 'q' });
  want('comment of another post', await other, false);
  want('thread then', shown(page), '30 20(21 22) 10t2(11 12l3)');
};

// Typing is forgotten, and the reader is not told about itself.
cases.ShowsTypingAndPresence = async () => {
  const { fake, thread, changes } = await opened();
  const users = [{ id: 'ann', name: 'Ann' }, { id: 'ben', name: 'Ben' }];
  fake.tell('typing', { postId: 'p', users, count: 7 });
  fake.tell('presence', { postId: 'p', viewers: 3, users });
  await settled();
  want('typing', thread.typing, { users: [users[1]], count: 6 });
  want('presence', [thread.presence.viewers, thread.presence.users], [3, users]);
  want('changes', changes.length, 1);
  await until(() => thread.typing.count === 0, 'end of typing');
  want('users', thread.typing.users, []);
  for (let i = 0; i < 5; i++) thread.signalTyping();
  want('signals', fake.made.filter((name) => name === 'typing').length, 1);
};

// Events tell only of changes: a client that gets them reads the readers once.
cases.ReadsPresence = async () => {
  const { fake, thread } = await opened({ presence: true });
  await fake.answer('presence', { postId: 'p', viewers: 120, users: [] });
  want('presence', thread.presence.viewers, 120);
};

// A list that cannot be read is read again, unless the server refuses it.
cases.ShowsErrors = async () => {
  const fake = new Fake();
  const thread = new Thread(fake, 'p');
  await fake.refuse('comments', 403);
  want('refused', [thread.state, thread.error.status], ['error', 403]);
  fake.tell('user', 'ann', { topic: null });
  await fake.answer('comments', list());
  want('as another user', [thread.state, thread.error], ['ready', null]);
  fake.tell('gap', {}, { topic: null });
  await fake.refuse('comments', 503);
  want('unavailable', [thread.state, shown({ fake, thread })], ['error', '30 20(21 22)']);
  await fake.answer('comments', list());
  want('later', thread.state, 'ready');
  fake.tell('refused', { topics: ['post:p'], problem: new Problem({ status: 401 }) }, { topic: null });
  want('topic refused', [thread.state, thread.error.status], ['error', 401]);
};

// Nothing of a thread or an inbox is left when it is closed.
cases.ClosesWithoutTraces = async () => {
  const fake = new Fake();
  const timers = new Set();
  const { setTimeout: set, clearTimeout: clear } = window;
  window.setTimeout = (fn, ms) => {
    const timer = set(() => { timers.delete(timer); fn(); }, ms);
    timers.add(timer);
    return timer;
  };
  window.clearTimeout = (timer) => { timers.delete(timer); clear(timer); };
  try {
    for (let i = 0; i < 100; i++) {
      const thread = new Thread(fake, 'p');
      const inbox = new Inbox(fake);
      let told = 0;
      thread.on('change', () => told++);
      fake.calls.find(({ name }) => name === 'comments').answer(list());
      fake.calls.find(({ name }) => name === 'notifications').answer(notices());
      fake.calls.length = 0;
      await Promise.resolve();
      await new Promise((done) => queueMicrotask(done));
      fake.tell('typing', { users: [], count: 0 });
      thread.load();
      thread.postComment('mine');
      fake.tell('new-comment', made('40', 40));
      thread.close();
      inbox.close();
      const before = told;
      for (const call of fake.calls.splice(0)) (i % 2 ? call.answer : call.refuse)(i % 2 ? list() : new Problem({ status: 0 }));
      fake.tell('new-comment', made('41', 41));
      await new Promise((done) => set(done, 0));
      want('changes after close', told - before, 0);
      want('state', [thread.state, inbox.state], ['closed', 'closed']);
    }
    want('listeners, topics and timers', [fake.listeners.length, fake.topics, timers.size], [0, [], 0]);
  } finally {
    Object.assign(window, { setTimeout: set, clearTimeout: clear });
  }
};

// A long thread and a burst: each event costs the comments that it changes, and each change one pass over the list.
cases.BoundsTheWorkOfABurst = async () => {
  const answer = list();
  answer.data = Array.from({ length: 2000 }, (_, i) => ({ ...listed(made(String(5000 - i), 59 - Math.floor(i / 40))), replies: { data: [], page: end } }));
  const { fake, thread, changes } = await opened({}, answer);
  const before = new Set(thread.comments);
  let compared = 0;
  const { sort } = Array.prototype;
  Array.prototype.sort = function (compare) {
    return sort.call(this, (a, b) => { compared++; return compare(a, b); });
  };
  try {
    for (let i = 0; i < 500; i++) {
      const id = String(3500 + i * 2);
      if (i % 5 === 0) fake.tell('new-comment', made(String(9000 + i), 59));
      else if (i % 5 === 1) fake.tell('comment-deleted', { id, tombstone: null });
      else if (i % 5 === 2) fake.tell('comment-updated', { ...thread.get(id), body: 'new' });
      else if (i % 5 === 3) fake.tell('like-update', { postId: 'p', commentId: id, count: i });
      else fake.tell('new-comment', replyTo(id, String(9000 + i), 59, { thread: { parentReplyCount: 1, threadCount: 1 } }));
    }
    await settled();
  } finally {
    Array.prototype.sort = sort;
  }
  want('comments', thread.comments.length, 2000);
  want('changes', changes.length, 1);
  want('new comments, replies included', changes[0].added.size, 200);
  want('objects of roots that changed', thread.comments.filter((c) => !before.has(c)).length, 400);
  want(`at most two comparisons a comment, not ${compared}`, compared <= 4000, true);
};

/** Notifications as far as the reply 20. 30 are likes of comment 1, and 25 is read. */
function notices() {
  const one = (id, kind, more) => ({ id, kind, postId: 'p', actor: { id: 'ben', name: 'Ben', avatarUrl: null }, createdAt: at(1), readAt: null, ...more });
  const data = [one('30', 'like', { commentId: '1', count: 1 }), one('25', 'comment', { readAt: at(2) }), one('20', 'reply')];
  return { data, page: goesOn, unread: 9, user: 'ann', cursor: '1-100' };
}

async function openedInbox() {
  const fake = new Fake();
  const inbox = new Inbox(fake);
  await fake.answer('notifications', notices());
  return { fake, inbox };
}

const marks = ({ fake, inbox }) => [...inbox.notifications.map((n) => n.id + (n.readAt ? 'x' : '')), ...fake.calls.map(() => '?')].join(' ');

// name: [data of the event, the inbox then]
const inboxRules = {
  Adds: [{ id: '31', kind: 'reply', postId: 'p', commentId: '1' }, '31 30 25x 20'],
  AddsInOrder: [{ id: '27', kind: 'reply', postId: 'p' }, '30 27 25x 20'],
  AddsByNumber: [{ id: '100', kind: 'reply', postId: 'p' }, '100 30 25x 20'],
  LeavesOutOfRange: [{ id: '19', kind: 'reply', postId: 'p' }, '30 25x 20'],
  Replaces: [{ id: '20', kind: 'reply', postId: 'p', readAt: at(3) }, '30 25x 20x'],
  UnreadAgain: [{ id: '25', kind: 'comment', postId: 'p', readAt: null }, '30 25 20'],
  ReplacesLikes: [{ id: '33', kind: 'like', postId: 'p', commentId: '1' }, '33 25x 20'],
  ReplacesByOlder: [{ id: '22', kind: 'like', postId: 'p', commentId: '1' }, '25x 22 20'],
  MovesOutOfRange: [{ id: '2', kind: 'like', postId: 'p', commentId: '1' }, '25x 20'],
  KnowsThePost: [{ id: '33', kind: 'like', postId: 'p' }, '33 30 25x 20'],
  MarksRead: [{ read: ['20', '99'], readAt: at(3) }, '30 25x 20x'],
  Withdraws: [{ withdrawn: ['20', '25', '99'] }, '30'],
  AsksIfManyAreRead: [{ read: null, readAt: at(3) }, '30 25x 20 ?'],
  AsksIfManyAreGone: [{ withdrawn: null }, '30 25x 20 ?'],
};
for (const [name, [data, expected]] of Object.entries(inboxRules)) {
  cases[`Inbox_${name}`] = async () => {
    const page = await openedInbox();
    page.fake.tell('notification', { ...data, unread: 7 });
    await settled();
    want('inbox', [marks(page), page.inbox.unread], [expected, 7]);
  };
}

cases.Inbox_ReadsMoreAndMarks = async () => {
  const page = await openedInbox();
  const { fake, inbox } = page;
  want('more and topics', [inbox.more, fake.topics], [true, ['me 1-100']]);
  const more = inbox.loadMore();
  await fake.answer('notifications', { ...notices(), data: [{ ...notices().data[2], id: '10' }], page: end });
  await more;
  want('inbox', [marks(page), inbox.more], ['30 25x 20 10', false]);
  const read = inbox.markRead(['30']);
  await fake.answer('markRead', { unread: 1 });
  await read;
  want('inbox after one is read', [marks(page), inbox.unread], ['30x 25x 20 10', 1]);
  const all = inbox.markRead('all');
  await fake.answer('markRead', { unread: 0 });
  await all;
  want('inbox after all are read', [marks(page), inbox.unread, inbox.notifications[1].readAt], ['30x 25x 20x 10x', 0, at(2)]);
  fake.tell('notification', { withdrawn: null, unread: 0 });
  const again = await fake.call('notifications');
  fake.tell('notification', { id: '40', kind: 'reply', postId: 'p', readAt: null, unread: 5 }, { id: '1-300' });
  again.answer({ ...notices(), cursor: '1-250' });
  await settled();
  want('inbox that was read again', [marks(page), inbox.unread], ['40 30 25x 20', 5]);
};

// The next page of a list that has been read again meanwhile is none of the new one.
cases.Inbox_TakesNoPageOfAnOldList = async () => {
  const page = await openedInbox();
  page.inbox.loadMore();
  const old = await page.fake.call('notifications');
  page.fake.tell('gap', {}, { topic: null });
  await page.fake.answer('notifications', notices());
  old.answer({ ...notices(), data: [{ ...notices().data[2], id: '10' }], page: end });
  await settled();
  want('inbox', [marks(page), page.inbox.more], ['30 25x 20', true]);
};

cases.Inbox_OfNobody = async () => {
  const fake = new Fake();
  const inbox = new Inbox(fake);
  await fake.refuse('notifications', 401);
  want('state', [inbox.state, fake.topics], ['error', []]);
  fake.tell('user', 'ann', { topic: null });
  await fake.answer('notifications', notices());
  want('state of a user', [inbox.state, inbox.unread], ['ready', 9]);
};

/** Runs the cases, and returns the fault of each, '' without one. Those that wait for seconds run beside the others. */
window.run = async () => {
  const faults = {};
  const run = async (name) => { faults[name] = await cases[name]().then(() => '', (error) => error.stack); };
  const slow = ['ShowsTypingAndPresence', 'ShowsErrors'];
  for (const name of Object.keys(cases).filter((one) => !slow.includes(one))) await run(name);
  await Promise.all(slow.map(run));
  return faults;
};
