// One connection to the server: a stream, or polls where streams do not pass.

import { Problem } from './calls.js';
import { fitting, pollOnce, streamOnce } from './sources.js';

const GATHER = 100; // ms in which changes of topics become one new stream
const FIRST_WAIT = 500; // ms; upper bound of the random wait before the second attempt, doubled for each further one
const LONGEST_WAIT = 30_000; // ms; upper bound of the random wait before any attempt
const LONGEST_FLOOR = 24 * 3_600_000; // ms; a longer wait that a server asks for is cut to this: timers take 24 days
const SETTLED = 5_000; // ms; a connection of this age counts as a success, even without an event
const MOMENT = 1_000; // ms
const EARLY = 1_000; // ms; a poll without events that is answered earlier was not held by the server
const TRY_STREAM = [60_000, 300_000, 900_000]; // ms of polling before a stream is tried beside; the last repeats
const POLL_WAIT = 25; // seconds

/** The code of the problem of topics for which a connection has no room. */
export const TOO_MANY = 'too_many_topics';

/**
 * @typedef {import('./listeners.js').Event} Event
 *
 * @typedef {object} Batch  what a connection has brought at once
 * @property {string|null} from  all events of the topics after this cursor
 * @property {string|null} to  up to this one
 * @property {string[]} topics
 * @property {Event[]} events  in order; those without id are states of the moment
 *
 * @typedef {{reason: string, from: string|null, resumed: string}} Gap
 *
 * @typedef {object} Handlers  functions that a connection calls
 * @property {(batch: Batch) => void} batch
 * @property {(gap: Gap) => void} gap
 * @property {(state: string) => void} state
 * @property {(topics: string[], problem: Problem) => void} refused
 * @property {(error: any) => void} error
 * @property {() => void} _noToken  getToken has failed, or the token was refused
 */

/** @param {any} cause  why there is no token */
const noToken = (cause) => new Problem({ status: 401, code: 'no_token', detail: `getToken has failed: ${cause?.message ?? cause}`, cause });

/** One attempt to stream or poll, from the request to its end. */
class Source {
  #controller = new AbortController();
  #timer = 0;
  signal = this.#controller.signal;
  _ready = false;
  /** Whether the end was caused by a limit of time. */
  late = false;
  /** Whether an event or a newer cursor has come. */
  moved = false;
  _since = Date.now();
  /** @type {string|null} */
  _bye = null;
  /** @type {string|null} */
  token = null;

  /**
   * @param {boolean} polls
   * @param {string[]} topics
   * @param {string|null} cursor
   */
  constructor(polls, topics, cursor) {
    this.polls = polls;
    this.topics = topics;
    this.cursor = cursor;
  }

  /**
   * Ends the source in ms and one second, unless it is called again. In the second, a page that was
   * busy or asleep takes what has come meanwhile.
   * @param {number} ms
   */
  limit(ms) {
    clearTimeout(this.#timer);
    const end = () => {
      this.late = true;
      this.#controller.abort();
    };
    this.#timer = setTimeout(() => { this.#timer = setTimeout(end, MOMENT); }, ms);
  }

  end() {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }
}

/** Keeps one stream or poll open for a set of topics, from its first topic to close(). */
export class Connection {
  #caller;
  #handlers;
  /** @type {string[]} */
  #topics = [];
  #presence = false;
  /** @type {string|null} */
  #cursor = null;
  /** @type {Source|null} the source that brings events */
  #current = null;
  /** @type {Source|null} the source that is opened, and replaces the current one when it is ready */
  #next = null;
  #failures = 0;
  #floor = 0; // ms to wait at least before the next attempt, as the server asked
  #polling = false; // whether the last source that worked was a poll
  #tried = 0; // streams that were tried beside polls
  #opening = 0; // timer of the next source
  #beside = 0; // timer of the stream that is tried beside polls
  #closed = false;

  /**
   * @param {import('./calls.js').Caller} caller
   * @param {Handlers} handlers
   */
  constructor(caller, handlers) {
    this.#caller = caller;
    this.#handlers = handlers;
  }

  /**
   * Sets the topics. cursor is where the first source starts, null for now.
   * @param {string[]} topics
   * @param {boolean} presence
   * @param {string|null} cursor
   */
  want(topics, presence, cursor) {
    if (!this.#current && !this.#next) this.#cursor ??= cursor;
    if (String(topics) === String(this.#topics) && presence === this.#presence) return;
    this.#topics = topics;
    this.#presence = presence;
    this.#schedule(GATHER, this.#polling);
  }

  /** Opens a new source at once, beside the current one: the network or the token has changed. */
  _renew() {
    this.#failures = this.#floor = 0;
    clearTimeout(this.#opening);
    // At once: before a timer fires, the end of another source could schedule a poll instead.
    this.#open(false);
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#opening);
    clearTimeout(this.#beside);
    this.#current?.end();
    this.#next?.end();
    this.#current = this.#next = null;
  }

  /**
   * @param {number} ms
   * @param {boolean} polls
   */
  #schedule(ms, polls) {
    clearTimeout(this.#opening);
    this.#opening = setTimeout(() => this.#open(polls), Math.min(ms, LONGEST_FLOOR));
  }

  /** @param {boolean} polls */
  #open(polls) {
    this.#next?.end();
    this.#next = null;
    if (this.#closed) return;
    if (!this.#topics.length) {
      this.#current?.end();
      this.#current = null;
      return;
    }
    const { fit, rest } = fitting(this.#topics);
    if (rest.length) return this.#refuse(new Problem({ status: 400, code: TOO_MANY, detail: 'a connection has 50 topics at most', topics: rest }));
    this.#next = new Source(polls, fit, this.#cursor);
    this.#run(this.#next);
  }

  /** @param {Source} source */
  async #run(source) {
    let error;
    try {
      source.token = await this.#caller.token().catch((cause) => {
        throw noToken(cause);
      });
      await (source.polls ? this.#poll(source) : this.#stream(source));
    } catch (caught) {
      error = caught;
    }
    const over = source !== this.#current && source !== this.#next; // replaced, or closed
    source.end();
    if (!over) this.#ended(source, error);
  }

  /** @param {Source} source */
  #stream(source) {
    return streamOnce(this.#caller, source, this.#presence, {
      _ready: () => this.#ready(source),
      batch: (from, events) => this.#deliver(source, from, events),
      gap: (gap) => this.#handlers.gap(gap),
      retry: (ms) => (this.#floor = ms),
      _expiring: () => this.#expiring(source),
    });
  }

  /** @param {Source} source */
  async #poll(source) {
    for (;;) {
      const began = Date.now();
      const { cursor, signal } = source;
      const page = await pollOnce(this.#caller, { ...source, presence: this.#presence, wait: POLL_WAIT });
      if (signal.aborted) return;
      this.#ready(source);
      if (page.gap) this.#handlers.gap(page.gap);
      source.cursor = page.cursor;
      this.#deliver(source, page.gap ? page.cursor : cursor, page.events);
      if (!page.events.length && page.cursor === cursor && Date.now() - began < EARLY) return;
      this.#failures = 0;
    }
  }

  /**
   * The source works, so it replaces the current one.
   * @param {Source} source
   */
  #ready(source) {
    source._ready = true;
    if (source === this.#current || source !== this.#next) return;
    this.#current?.end();
    this.#current = source;
    this.#next = null;
    this.#floor = 0;
    this.#polling = source.polls;
    if (source.polls) {
      this.#tryStream();
    } else {
      clearTimeout(this.#beside);
      this.#beside = this.#tried = 0;
    }
    this.#handlers.state(source.polls ? 'polling' : 'live');
    if (this._place) this.#handlers.batch(this._place);
  }

  /**
   * A batch without events that says up to where the topics have been read, null before the first.
   * @returns {Batch|null}
   */
  get _place() {
    const { cursor = null, topics = [] } = this.#current ?? {};
    return cursor ? { from: cursor, to: cursor, topics, events: [] } : null;
  }

  /** Tries a stream beside the polls, later. */
  #tryStream() {
    if (this.#beside) return;
    const ms = TRY_STREAM[Math.min(this.#tried++, TRY_STREAM.length - 1)];
    this.#beside = setTimeout(() => {
      this.#beside = 0;
      this.#open(false);
    }, ms);
  }

  /**
   * @param {Source} source
   * @param {string|null} from
   * @param {Event[]} events
   */
  #deliver(source, from, events) {
    if (source !== this.#current) return;
    source.moved ||= from !== source.cursor;
    this.#cursor = source.cursor;
    this.#handlers.batch({ from: from ?? source.cursor, to: source.cursor, topics: source.topics, events });
  }

  /** @param {Source} source */
  async #expiring(source) {
    const other = await this.#otherToken(source);
    if (source !== this.#current) return;
    if (other) this._renew();
    else this.#handlers._noToken();
  }

  /**
   * A source has ended by itself: decides what comes next, and when.
   * @param {Source} source
   * @param {any} error
   */
  #ended(source, error) {
    const beside = source === this.#next && this.#current !== null;
    if (source === this.#current) this.#current = null;
    else this.#next = null;
    if (source.moved || (source._ready && Date.now() - source._since > SETTLED)) this.#failures = 0;
    if (this.#next) return; // it was replaced at the same moment
    if (beside && this.#polling && !source.polls) return this.#tryStream();
    if (error?.topics?.length) return this.#refuse(error);
    if (this.#caller._bearer && (error?.status === 401 || source._bye === 'expired')) return void this.#renewToken(source, error);

    /** @type {(Problem & {type?: string})|null} */
    const known = error instanceof Problem ? error : null;
    if (known) this.#handlers.error(known);
    // Only our server sends problems with a type. All else comes from something in between.
    const foreign = source.late || (known && !known.type && known.status < 500);
    if (source._ready) {
      if (!beside) this.#handlers.state('reconnecting');
    } else if (!source.polls && (foreign || this.#failures >= 3)) {
      this.#failures++;
      return this.#schedule(0, true);
    } else if (!beside && (foreign || known ? error?.status < 429 || !error?.type : this.#failures > 0)) {
      this.#handlers.state('offline');
    }
    this.#wait(error, this.#polling && source._ready);
  }

  /**
   * Schedules the next attempt.
   * @param {any} error
   * @param {boolean} polls
   */
  #wait(error, polls) {
    const status = error?.status ?? 0;
    const floor = Math.max(this.#floor, (error?.retryAfter ?? 0) * 1000, status >= 400 && status < 429 ? LONGEST_WAIT : 0);
    this.#schedule(floor + Math.random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures++), polls);
  }

  /**
   * Topics are refused: the others are opened again.
   * @param {any} problem
   */
  #refuse(problem) {
    this.#topics = this.#topics.filter((topic) => !problem.topics.includes(topic));
    this.#schedule(0, this.#polling);
    this.#handlers.refused(problem.topics, problem);
  }

  /**
   * Reports whether there is another token than the one of a source.
   * @param {Source} source
   */
  async #otherToken({ token }) {
    const other = await this.#caller.token(token).catch((cause) => {
      this.#handlers.error(noToken(cause));
      return token;
    });
    return other !== token;
  }

  /**
   * @param {Source} source
   * @param {any} error
   */
  async #renewToken(source, error) {
    const other = await this.#otherToken(source);
    if (this.#closed || this.#next) return;
    if (other && this.#failures === 0) {
      this.#failures++;
      return this.#schedule(0, this.#polling);
    }
    error ??= new Problem({ status: 401, code: 'invalid_token', detail: 'the token has ended' });
    this.#handlers.state('offline');
    this.#handlers.error(error);
    if (this.#caller.renews) this.#wait(error, this.#polling);
    this.#handlers._noToken();
  }
}
