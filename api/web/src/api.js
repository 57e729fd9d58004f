// The calls of the HTTP API, and their repetition.

import { Problem, contentOf, portions, sleep } from './calls.js';

const ANSWERS_WITHIN = 15_000; // ms from sending a request to the end of its answer
const OUTLIVES = 8_000; // characters; a write with a longer body ends with the page
const ATTEMPTS = 4; // of a request that may be repeated
const FIRST_PAUSE = 500; // ms; upper bound of the pause before the second attempt, doubled for each further one
const LONGEST_PAUSE = 10_000; // ms; a longer Retry-After is left to the caller

/** The most posts of one request for counts, which is the server's limit. */
export const MOST_POSTS = 100;

/** Statuses after which the same request may succeed a moment later. 0 stands for no answer. */
const TRANSIENT = [0, 408, 502, 503, 504];

/** Returns a random text of 20 to 28 characters. Plain HTTP has no crypto.randomUUID. */
export const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('');

/** A path below a post. Its id is in the query, because some proxies decode paths. */
const ofPost = (rest = '') => `posts/-${rest}`;

/** @param {string} id */
const ofComment = (id, rest = '') => `comments/${encodeURIComponent(id)}${rest}`;

/** @param {boolean} on */
const switched = (on) => (on ? 'PUT' : 'DELETE');

/**
 * @typedef {object} Request
 * @property {Record<string, any>} [query]  without the members that are empty
 * @property {object} [body]
 * @property {string} [key]  Idempotency-Key
 * @property {number} [version]  If-Match
 * @property {AbortSignal} [signal]
 * @property {boolean} [once]  it is not repeated
 * @property {boolean} [gone]  the answer 404 is no error: that of the first attempt may be lost
 */

/**
 * Reads one page of a list.
 * @param {string} path
 * @param {Record<string, any>} [options]  the query, and the signal
 * @returns {[string, string, Request]}
 */
const list = (path, { signal, ...query } = {}) => ['GET', path, { query, signal }];

/**
 * The method, path, and content of the request of each call, from its arguments. The file tidings.d.ts has the
 * types of the arguments and answers, docs/api.md has examples.
 * @type {Record<string, (...args: any[]) => [string, string, Request?]>}
 */
export const calls = {
  comments: (post, { flat, ...options } = {}) => list(ofPost('/comments'), { post, flat: flat && 1, ...options }),
  replies: (id, options) => list(ofComment(id, '/replies'), options),
  comment: (id) => ['GET', ofComment(id)],
  postComment: (post, { key = newKey(), ...body }) => ['POST', ofPost('/comments'), { query: { post }, body, key }],
  edit: (id, body, { mentions, ...options } = {}) => ['PATCH', ofComment(id), { body: { body, mentions }, ...options }],
  delete: (id) => ['DELETE', ofComment(id), { gone: true }],
  like: (post, liked = true) => [switched(liked), ofPost('/like'), { query: { post } }],
  likeComment: (id, liked = true) => [switched(liked), ofComment(id, '/like')],
  getPost: (post) => ['GET', ofPost(), { query: { post } }],
  putPost: (post, body) => ['PUT', ofPost(), { query: { post }, body }],
  counts: (post) => ['GET', 'counts', { query: { post } }],
  typing: (post) => ['POST', ofPost('/typing'), { query: { post }, once: true }],
  presence: (post) => ['GET', ofPost('/presence'), { query: { post } }],
  notifications: ({ unread, ...options } = {}) => list('notifications', { unread: unread && 1, ...options }),
  markRead: (ids) => ['POST', 'notifications/read', { body: ids === 'all' ? { all: true } : { ids } }],
  moderation: (options) => list('moderation', options),
  setStatus: (id, status, options) => ['PUT', ofComment(id, '/status'), { body: { status }, ...options }],
  pin: (id, pinned = true, options) => [switched(pinned), ofComment(id, '/pin'), options],
  revisions: (id, options) => list(ofComment(id, '/revisions'), options),
};

/**
 * Makes a call and returns the JSON of the answer, null if it is empty. It throws a Problem, the error of
 * getToken, or the reason of the signal. A request without a usable answer is sent again, with the same
 * headers. A refused token is replaced once. Counts take as many requests, one after the other, as the posts need.
 * @param {import('./calls.js').Caller} caller
 * @param {string} name  of calls
 * @param {any[]} args
 * @returns {Promise<any>}
 */
export async function call(caller, name, args) {
  if (name !== 'counts') return sendAgain(caller, ...calls[name](...args));
  const all = {};
  for (const posts of portions(args[0], MOST_POSTS)) Object.assign(all, (await sendAgain(caller, ...calls.counts(posts))).data);
  return all;
}

/**
 * Sends a request until it has a usable answer, or fails.
 * @param {import('./calls.js').Caller} caller
 * @param {string} method
 * @param {string} path
 * @param {Request} [request]
 */
async function sendAgain(caller, method, path, request = {}) {
  for (let attempt = 1, renewed = false; ; attempt++) {
    const token = await caller.token();
    try {
      return await send(caller, method, path, request, token);
    } catch (error) {
      request.signal?.throwIfAborted();
      if (!(error instanceof Problem)) throw error;
      const { status, comment, retryAfter = 0 } = /** @type {any} */ (error);
      if (status === 401 && caller.renews && !renewed) {
        renewed = true;
        if ((await caller.token(token)) !== token) continue;
      }
      if (status === 404 && request.gone) return null;
      // An edit is refused if its first answer was lost: browsers repeat requests, too.
      if (status === 412 && comment?.body === /** @type {any} */ (request.body)?.body) return comment;
      if (request.once || attempt === ATTEMPTS || !mayPass(error)) throw error;
      await sleep(Math.max(retryAfter * 1000, Math.random() * FIRST_PAUSE * 2 ** attempt), request.signal);
      request.signal?.throwIfAborted();
    }
  }
}

/**
 * Sends a request once.
 * @param {import('./calls.js').Caller} caller
 * @param {string} method
 * @param {string} path
 * @param {Request} request
 * @param {string|null} token
 */
async function send(caller, method, path, { query = {}, body, key, version, signal }, token) {
  const given = Object.entries(query).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  const search = new URLSearchParams(given.filter(([, value]) => value != null && value !== false));
  try {
    const text = body && JSON.stringify(body);
    const content = await contentOf(await caller.fetch(given.length ? `${path}?${search}` : path, {
      method,
      signal: AbortSignal.any([AbortSignal.timeout(ANSWERS_WITHIN), ...(signal ? [signal] : [])]),
      headers: {
        ...(text && { 'Content-Type': 'application/json' }),
        ...(key && { 'Idempotency-Key': key }),
        ...(version && { 'If-Match': `"${version}"` }),
      },
      body: text,
      // The user may leave the page at once. Browsers take 64 KiB of such requests.
      keepalive: method !== 'GET' && !(text && text.length > OUTLIVES),
    }, token));
    if (content?.user !== undefined) caller.onUser(content.user);
    return content;
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem({ code: 'unreachable', detail: 'the server cannot be reached', cause: error });
  }
}

/**
 * Reports whether the same request may succeed a moment later.
 * @param {any} problem
 */
function mayPass({ status, code, retryAfter = 0 }) {
  return (TRANSIENT.includes(status) || code === 'idempotency_key_in_flight') && retryAfter * 1000 <= LONGEST_PAUSE;
}
