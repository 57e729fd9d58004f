// One user's stream: list, then listen, and resume after every cut.

import { urlOf } from './demo-api.js';

/** An EventSource hears only the names it asks for. */
const NAMES = [
  'new-comment', 'comment-updated', 'comment-deleted', 'comment-count', 'like-update',
  'notification', 'typing', 'presence', 'stream.ready', 'stream.gap', 'stream.checkpoint',
  'stream.expiring', 'stream.bye', 'stream.ping',
  'order.updated', // the event of our own that one of the page's lines publishes
];

const FIRST_WAIT = 500; // ms; the first retry waits at most this long,
const LONGEST_WAIT = 8_000; // each next one twice as long, up to this
const READY_WITHIN = 10_000; // ms from opening a stream to its stream.ready

/**
 * A connection that stays up from start() to stop().
 *
 * It reads the list first and opens the stream at the list's own cursor, so that nothing falls
 * between the two and nothing comes twice. From then on it remembers the id of the last event: a
 * cut, a goodbye or a silence ends in a new ticket and a stream opened at that cursor. Only after
 * a stream.gap is the list read again.
 *
 * The browser's own reconnect is never left to run: a ticket is good for one use, so it could
 * only be refused.
 */
export class Feed {
  #api;
  #topics;
  #read;
  #onEvent;
  #onState;
  #on = false;
  #attempt = 0; // a stale answer knows itself by it
  #failures = 0;
  /** @type {string|null} */
  #cursor = null;
  /** @type {EventSource|null} */
  #source = null;
  #retryTimer = 0;
  #silenceTimer = 0;
  #patience = READY_WITHIN;

  /**
   * @param {object} options
   * @param {import('./demo-api.js').Api} options.api
   * @param {string[]} options.topics
   * @param {() => Promise<string>} options.read  reads and shows the list, returns its cursor
   * @param {(event: MessageEvent, data: any) => void} options.onEvent
   * @param {(state: 'connecting'|'live'|'gap'|'closed') => void} options.onState
   */
  constructor({ api, topics, read, onEvent, onState }) {
    this.#api = api;
    this.#topics = topics;
    this.#read = read;
    this.#onEvent = onEvent;
    this.#onState = onState;
  }

  /** Connects, and stays connected; does nothing if that is so already. */
  start() {
    if (this.#on) return;
    this.#on = true;
    this.#failures = 0;
    this.#connect('connecting');
  }

  /** Hangs up and remembers the cursor: start() goes on from there. */
  stop() {
    this.#on = false;
    this.#hangUp();
    this.#onState('closed');
  }

  async #connect(state) {
    this.#hangUp();
    const attempt = this.#attempt;
    this.#onState(state);
    try {
      if (this.#cursor === null) {
        const cursor = await this.#read();
        if (attempt !== this.#attempt) return;
        this.#cursor = cursor;
      }
      const { ticket } = await this.#api.call('POST', 'v1/ticket', { topics: this.#topics });
      if (attempt === this.#attempt) this.#listen(ticket);
    } catch {
      if (attempt === this.#attempt) this.#retry();
    }
  }

  #listen(ticket) {
    const url = urlOf('v1/events');
    for (const topic of this.#topics) url.searchParams.append('topic', topic);
    url.searchParams.set('cursor', this.#cursor);
    url.searchParams.set('heartbeat', 'event');
    url.searchParams.set('ticket', ticket);
    this.#source = new EventSource(url);
    this.#source.onerror = () => this.#retry();
    for (const name of NAMES) {
      this.#source.addEventListener(name, (event) => this.#take(event));
    }
    this.#patience = READY_WITHIN;
    this.#awaitSign();
  }

  #take(event) {
    const data = JSON.parse(event.data);
    this.#onEvent(event, data);
    if (event.lastEventId) this.#cursor = event.lastEventId;
    switch (event.type) {
      case 'stream.ready':
        this.#failures = 0;
        this.#patience = data.heartbeat * 2_500;
        this.#onState('live');
        break;
      case 'stream.gap':
        this.#cursor = null;
        this.#retry('gap');
        return;
      case 'stream.bye':
        this.#retry();
        return;
    }
    this.#awaitSign();
  }

  /** A dead peer sends no error, only silence; a ping would have broken it. */
  #awaitSign() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#retry(), this.#patience);
  }

  /** Full jitter, so that the readers of a restarted server don't come back as one. */
  #retry(state = 'connecting') {
    this.#hangUp();
    this.#onState(state);
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures);
    this.#failures += 1;
    this.#retryTimer = setTimeout(() => this.#connect(state), Math.random() * longest);
  }

  #hangUp() {
    this.#attempt += 1;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    this.#source?.close();
    this.#source = null;
  }
}
