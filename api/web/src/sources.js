// The two requests that bring events: GET /v1/events and GET /v1/poll.

import { Problem, contentOf, limited, portions } from './calls.js';
import { EventStream } from './eventstream.js';

const HEADERS_WITHIN = 15_000; // ms from the request for a stream to its headers
const READY_WITHIN = 5_000; // ms from the headers to stream.ready
const SLACK = 5_000; // ms; added to two heartbeats of silence
const GRACE = 15_000; // ms; added to the wait of a poll
const MOST_TOPICS = 50; // of one request, which is the server's limit
const PAGE = 1000; // events of a poll that does not wait

/**
 * @typedef {import('./listeners.js').Event} Event
 * @typedef {import('./connection.js').Gap} Gap
 *
 * @typedef {object} StreamHandlers
 * @property {() => void} ready
 * @property {(from: string|null, events: Event[]) => void} batch  the events after from, up to source.cursor
 * @property {(gap: Gap) => void} gap
 * @property {(ms: number) => void} retry
 * @property {() => void} expiring
 */

/**
 * Splits topics into those of one request, "me" first, and those that do not fit.
 * @param {string[]} topics
 */
export function fitting(topics) {
  const [fit = [], ...rest] = portions([...topics].sort((a, b) => Number(b === 'me') - Number(a === 'me')), MOST_TOPICS);
  return { fit, rest: rest.flat() };
}

/**
 * Returns the path of a request, and what fetch needs for it. With a token to another origin, the cursor is a
 * header: the address stays the same, so that one preflight is enough. Without a token, a
 * header of ours would need a preflight that a cookie does not.
 * @param {import('./calls.js').Caller} caller
 * @param {string} path
 * @param {{topics: string[], cursor: string|null, presence?: boolean}} options
 * @param {Record<string, string|number>} [more]
 */
function requestFor(caller, path, { topics, cursor, presence }, more = {}) {
  const query = new URLSearchParams(topics.map((topic) => ['topic', topic]));
  if (presence) query.set('presence', '1');
  for (const [name, value] of Object.entries(more)) query.set(name, String(value));
  const far = caller.bearer && caller.base.origin !== globalThis.location?.origin;
  if (cursor && !far) query.set('cursor', cursor);
  return {
    path: `${path}?${query}`,
    headers: /** @type {Record<string, string>} */ (cursor && far ? { 'Last-Event-ID': cursor } : {}),
    // In the default mode, Chromium lets equal requests of other tabs wait for each other. But
    // no-store is a header, which would need a preflight for each address.
    cache: /** @type {RequestCache} */ (far ? 'default' : 'no-store'),
  };
}

/**
 * The error of an answer that is not one of ours.
 * @param {number} status
 */
const stranger = (status) => new Problem({ status, code: 'not_tidings', detail: 'another server answers' });

/**
 * Polls once. wait is in seconds. It throws a Problem, what fetch throws, or the error of getToken.
 * @param {import('./calls.js').Caller} caller
 * @param {{topics: string[], cursor: string|null, signal?: AbortSignal, token?: string|null, presence?: boolean, wait: number}} options
 * @returns {Promise<{events: Event[], cursor: string, more: boolean, gap?: Gap}>}
 */
export async function pollOnce(caller, options) {
  const { wait, signal, token } = options;
  const { path, ...init } = requestFor(caller, 'v1/poll', options, wait ? { wait } : { wait, limit: PAGE });
  try {
    const page = await contentOf(await caller.fetch(path, { ...init, signal: limited(wait * 1000 + GRACE, signal) }, token));
    if (!page?.cursor) throw stranger(200);
    caller.onUser(page.user);
    return { ...page, events: page.events.map((/** @type {any} */ e) => ({ ...e, id: e.id ?? null })) };
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 410) throw error;
    const { reason, from, resumed } = /** @type {any} */ (error);
    return { events: [], cursor: resumed, more: false, gap: { reason, from, resumed } };
  }
}

/**
 * Reads one stream to its end. It keeps the cursor of the source up to date, and returns when the
 * server ends the stream. It throws a Problem, what fetch throws, or an AbortError.
 * @param {import('./calls.js').Caller} caller
 * @param {any} source
 * @param {boolean} presence
 * @param {StreamHandlers} handlers
 */
export async function streamOnce(caller, source, presence, handlers) {
  const taker = new Taker(caller, source, handlers);
  source.limit(HEADERS_WITHIN);
  const { path, ...init } = requestFor(caller, 'v1/events', { ...source, presence });
  const answer = await caller.fetch(path, { ...init, signal: source.signal }, source.token);
  // Where fetch has no streams, which no browser that knows private methods lacks, polls do.
  if (!answer.ok || !answer.body || !answer.headers.get('Content-Type')?.startsWith('text/event-stream')) {
    if (answer.body) await contentOf(answer);
    throw stranger(answer.status);
  }
  source.limit(READY_WITHIN);
  const parser = new EventStream((block) => taker.take(block), handlers.retry);
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    if (source.ready) source.limit(taker.silence);
    parser.push(value);
    taker.flush();
  }
}

/** Takes the events of one stream. */
class Taker {
  /** ms without a byte after which the connection counts as dead */
  silence = READY_WITHIN;
  #caller;
  #source;
  #handlers;
  /** @type {string|null} */
  #from = null;
  /** @type {Event[]} */
  #events = [];

  /**
   * @param {import('./calls.js').Caller} caller
   * @param {any} source
   * @param {StreamHandlers} handlers
   */
  constructor(caller, source, handlers) {
    this.#caller = caller;
    this.#source = source;
    this.#handlers = handlers;
    this.#from = source.cursor;
  }

  /** Gives the events since the last call away. */
  flush() {
    const source = this.#source;
    if (!this.#events.length && this.#from === source.cursor) return;
    const [from, events] = [this.#from, this.#events];
    this.#from = source.cursor;
    this.#events = [];
    this.#handlers.batch(from, events);
  }

  /** @param {import('./eventstream.js').Block} block */
  take({ event, topic, data: text, id }) {
    const source = this.#source;
    let data;
    try {
      data = JSON.parse(text);
    } catch {
      return;
    }
    switch (event) {
      case 'stream.ready':
        if (!data?.cursor) throw stranger(200);
        this.silence = data.heartbeat * 2000 + SLACK;
        source.cursor ??= this.#from = data.cursor;
        source.limit(this.silence);
        this.#caller.onUser(data.user);
        this.#handlers.ready();
        break;
      case 'stream.gap':
        this.flush();
        this.#from = source.cursor = data.resumed;
        this.#handlers.gap(data);
        break;
      case 'stream.checkpoint':
        source.cursor = data.cursor;
        break;
      case 'stream.expiring':
        this.#handlers.expiring();
        break;
      case 'stream.bye':
        source.bye = data.reason;
        break;
      default:
        if (event.startsWith('stream.')) return;
        if (id) source.cursor = id;
        this.#events.push({ id, event, topic, data });
    }
  }
}
