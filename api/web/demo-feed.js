// One user's event stream: read the list, open the stream at its cursor, resume after every cut.

import { urlOf } from './demo-api.js';

/** The events to listen to. An EventSource has no way to listen to every name. */
const NAMES = [
  'new-comment', 'comment-updated', 'comment-deleted', 'comment-count', 'like-update', 'post-updated', 'post-deleted',
  'notification', 'liked', 'moderation', 'typing', 'presence', 'stream.ready', 'stream.gap',
  'stream.checkpoint', 'stream.expiring', 'stream.bye', 'stream.ping',
  'order.updated', // published by one of the page's lines for the terminal
];

const FIRST_WAIT = 500; // ms; upper bound of the wait before the first retry, doubled for each further one
const LONGEST_WAIT = 8_000; // ms; upper bound of the wait before any retry
const READY_WITHIN = 10_000; // ms from opening a stream to its stream.ready

/** @typedef {'connecting'|'live'|'gap'|'closed'} State */

/**
 * An event stream that reconnects from start() to stop().
 *
 * A Feed first reads the list and opens the stream at the cursor of the list, so that no event is
 * missed and none comes twice. It remembers the id of the last event. After an error, a
 * stream.bye or a silence it takes a new ticket and opens a stream at that id. It reads the list
 * again only after a stream.gap.
 *
 * The browser's own reconnect is not used: a ticket opens one stream, so the server would refuse
 * the second request.
 */
export class Feed {
  #api;
  #topics;
  #read;
  #onEvent;
  #onState;
  #on = false;
  #attempt = 0; // number of the current attempt: an answer to an earlier one is ignored
  #failures = 0;
  /** @type {string|null} */
  #cursor = null;
  /** @type {EventSource|null} */
  #source = null;
  #retryTimer = 0;
  #silenceTimer = 0;
  #silenceLimit = READY_WITHIN; // ms

  /**
   * @param {object} options
   * @param {import('./demo-api.js').Api} options.api
   * @param {string[]} options.topics
   * @param {() => Promise<string>} options.read  reads and shows the list, and returns its cursor
   * @param {(event: MessageEvent, data: any) => void} options.onEvent
   * @param {(state: State) => void} options.onState
   */
  constructor({ api, topics, read, onEvent, onState }) {
    this.#api = api;
    this.#topics = topics;
    this.#read = read;
    this.#onEvent = onEvent;
    this.#onState = onState;
  }

  /** Connects and reconnects until stop(). A second call does nothing. */
  start() {
    if (this.#on) return;
    this.#on = true;
    this.#failures = 0;
    this.#connect('connecting');
  }

  /** Disconnects and keeps the cursor, at which start() continues. */
  stop() {
    this.#on = false;
    this.#disconnect();
    this.#onState('closed');
  }

  /** @param {State} state  shown until the stream is live */
  async #connect(state) {
    this.#disconnect();
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
    url.searchParams.set('presence', '1');
    url.searchParams.set('ticket', ticket);
    this.#source = new EventSource(url);
    this.#source.onerror = () => this.#retry();
    for (const name of NAMES) {
      this.#source.addEventListener(name, (event) => this.#take(event));
    }
    this.#silenceLimit = READY_WITHIN;
    this.#watchSilence();
  }

  #take(event) {
    const data = JSON.parse(event.data);
    this.#onEvent(event, data);
    if (event.lastEventId) this.#cursor = event.lastEventId;
    switch (event.type) {
      case 'stream.ready':
        this.#failures = 0;
        this.#silenceLimit = data.heartbeat * 2_500; // two and a half heartbeats
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
    this.#watchSilence();
  }

  /** Reconnects if no event comes, not even a ping. A dead connection causes no error by itself. */
  #watchSilence() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#retry(), this.#silenceLimit);
  }

  /**
   * Reconnects after a random wait, so that the readers of a restarted server do not return together.
   * @param {State} [state]  shown until the stream is live
   */
  #retry(state = 'connecting') {
    this.#disconnect();
    this.#onState(state);
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures);
    this.#failures += 1;
    this.#retryTimer = setTimeout(() => this.#connect(state), Math.random() * longest);
  }

  #disconnect() {
    this.#attempt += 1;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    this.#source?.close();
    this.#source = null;
  }
}
