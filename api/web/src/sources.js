// The two requests that bring events: GET /v1/events and GET /v1/poll.

import { Problem, contentOf, portions } from './calls.js';
import { eventStream } from './eventstream.js';

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
 * @property {() => void} _ready
 * @property {(from: string|null, events: Event[]) => void} batch  the events after from, up to source.cursor
 * @property {(gap: Gap) => void} gap
 * @property {(ms: number) => void} retry
 * @property {() => void} _expiring
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
 * Sends a request for events. With a token to another origin, the cursor is a
 * header: the address stays the same, so that one preflight is enough. Without a token, a
 * header of ours would need a preflight that a cookie does not.
 * @param {import('./calls.js').Caller} caller
 * @param {string} path
 * @param {{topics: string[], cursor: string|null, signal?: AbortSignal, token?: string|null, presence?: boolean}} options
 * @param {Record<string, number>} [more]
 */
function ask(caller, path, { topics, cursor, signal, token, presence }, more = {}) {
  const far = caller._bearer && caller.base.origin !== globalThis.location?.origin;
  const query = new URLSearchParams(/** @type {any} */ ({ ...more, ...(presence && { presence: 1 }), ...(cursor && !far && { cursor }) }));
  for (const topic of topics) query.append('topic', topic);
  return caller.fetch(`${path}?${query}`, {
    signal,
    headers: cursor && far ? { 'Last-Event-ID': cursor } : {},
    // In the default mode, Chromium lets equal requests of other tabs wait for each other. But
    // no-store is a header, which would need a preflight for each address.
    cache: far ? 'default' : 'no-store',
  }, token);
}

/**
 * The error of an answer that is not one of ours.
 * @param {number} status
 */
const stranger = (status) => new Problem({ status, code: 'not_tidings', detail: 'another server answers' });

/**
 * Polls once. wait is in seconds. It throws a Problem, what fetch throws, or the error of getToken.
 * @param {import('./calls.js').Caller} caller
 * @param {{topics: string[], cursor: string|null, signal: AbortSignal, token?: string|null, presence?: boolean, wait: number}} options
 * @returns {Promise<{events: Event[], cursor: string, more: boolean, gap?: Gap}>}
 */
export async function pollOnce(caller, options) {
  const { wait } = options;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(wait * 1000 + GRACE)]);
  try {
    const page = await contentOf(await ask(caller, 'poll', { ...options, signal }, wait ? { wait } : { wait, limit: PAGE }));
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
  let silence = READY_WITHIN; // ms without a byte after which the connection counts as dead
  /** @type {string|null} */
  let from = source.cursor;
  /** @type {Event[]} */
  let events = []; // after from

  const flush = () => {
    if (events.length || from !== source.cursor) handlers.batch(from, events);
    from = source.cursor;
    events = [];
  };
  /** @type {Record<string, (data: any) => void>} */
  const own = {
    'stream.ready'(data) {
      if (!data?.cursor) throw stranger(200);
      silence = data.heartbeat * 2000 + SLACK;
      source.cursor ??= from = data.cursor;
      source.limit(silence);
      caller.onUser(data.user);
      handlers._ready();
    },
    'stream.gap'(data) {
      flush();
      from = source.cursor = data.resumed;
      handlers.gap(data);
    },
    'stream.checkpoint': ({ cursor }) => (source.cursor = cursor),
    'stream.expiring': handlers._expiring,
    'stream.bye': ({ reason }) => (source._bye = reason),
  };
  /** @param {import('./eventstream.js').Block} block */
  const take = ({ event, topic, data: text, id }) => {
    let data;
    try {
      data = JSON.parse(text);
    } catch {
      return;
    }
    if (event.startsWith('stream.')) return own[event]?.(data);
    if (id) source.cursor = id;
    events.push({ id, event, topic, data });
  };

  source.limit(HEADERS_WITHIN);
  const answer = await ask(caller, 'events', { ...source, presence });
  // Where fetch has no streams, which no browser that knows private methods lacks, polls do.
  if (!answer.ok || !answer.body || !answer.headers.get('Content-Type')?.startsWith('text/event-stream')) {
    if (answer.body) await contentOf(answer);
    throw stranger(answer.status);
  }
  source.limit(READY_WITHIN);
  const push = eventStream(take, handlers.retry);
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    if (source._ready) source.limit(silence);
    push(value);
    flush();
  }
}
