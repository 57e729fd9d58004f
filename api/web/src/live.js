// A list of the server that follows events: what threads and inboxes have in common.

import { compare } from './cursor.js';
import { Listeners } from './listeners.js';

const GATHER = 16; // ms; events within that time are one change
const RETRY = 5_000; // ms before a list that could not be read is read again, and up to as much again

/**
 * A list that is read once, and then changed by events. Subclasses have _read, which reads it, _take, which takes
 * what was read and returns the topics to listen to, _apply for an event, and _show, which sets the public fields.
 */
export class Live {
  /** @type {'loading' | 'ready' | 'error' | 'closed'} */
  state = 'loading';
  /** @type {any} the reason of the state error */
  error = null;
  /** @type {string | null | undefined} id of the reader; null without one, undefined until it is known */
  user;

  #listeners = new Listeners();
  /** @type {Set<any[]>} for each call in flight, the events that have come since it began */
  #flights = new Set();
  /** @type {string[]} */
  #topics = [];
  #cursor = ''; // of the list
  #turn = {}; // stands for the newest load
  #closed = new AbortController();
  /** @type {Record<string, any>} timers by purpose */
  #timers = {};

  /** @param {import('./client.js').Tidings} tidings */
  constructor(tidings) {
    this._tidings = tidings;
    this._until = { signal: this.#closed.signal, again: true };
    tidings.on('gap', () => this.load(), this._until);
    tidings.on('refused', ({ data }) => this.#topics.some((topic) => data.topics.includes(topic)) && this._fail(data.problem), this._until);
    tidings.on('user', ({ data }) => this.state !== 'loading' && data !== this.user && this.load(), this._until);
  }

  /**
   * Calls fn after each change, until the function that it returns is called.
   * @param {'change'} name
   * @param {(change: any) => void} fn
   * @param {{signal?: AbortSignal}} [options]
   */
  on(name, fn, options) {
    return this.#listeners.on(name, ({ data }) => fn(data), options);
  }

  /** Reads the list again. */
  async load() {
    const turn = (this.#turn = {});
    try {
      await this._call(this._read(), (answer) => {
        if (turn !== this.#turn) return;
        Object.assign(this, { state: 'ready', error: null, user: answer.user });
        this.#cursor = answer.cursor;
        this.#listen(this._take(answer));
      });
    } catch (error) {
      if (turn === this.#turn) this._fail(error);
    }
  }

  /** Stops listening. */
  close() {
    this.state = 'closed';
    this.#closed.abort();
    this.#listen([]);
    for (const name in this.#timers) clearTimeout(this.#timers[name]);
  }

  /** Listens to topics, instead of the present ones, from the cursor of the list. */
  #listen(topics) {
    for (const topic of topics) this._tidings.subscribe(topic, { cursor: this.#cursor });
    for (const topic of this.#topics) this._tidings.unsubscribe(topic);
    this.#topics = topics;
  }

  /** Shows an error. Only if the same request may succeed later, the list is read again. */
  _fail(error) {
    if (this.state === 'closed') return;
    Object.assign(this, { state: 'error', error });
    if (!(error.status < 500) || error.status === 429) this._after('load', RETRY * (1 + Math.random()), () => this.load());
    this._change();
  }

  /**
   * Waits for a call and takes its answer. Events that have come since the call began may be newer than the answer,
   * so all of them are applied again: they have values, not differences.
   * @template T
   * @param {Promise<T>} promise
   * @param {(answer: T) => void} take
   * @param {(error: any) => void} [undo]
   * @returns {Promise<T>}
   */
  async _call(promise, take, undo) {
    /** @type {any[]} */
    const flight = [];
    this.#flights.add(flight);
    let since;
    try {
      const answer = /** @type {any} */ (await promise);
      this.#closed.signal.throwIfAborted();
      if (this.#timers.change) this._change();
      since = answer?.cursor;
      take(answer);
      return answer;
    } catch (error) {
      undo?.(error);
      throw error;
    } finally {
      this.#flights.delete(flight);
      for (const e of flight) if (!(compare(e.id, since) <= 0)) this._apply(e);
      this._change();
    }
  }

  /** Takes an event. Those before the cursor of the list are in the list. */
  _hear(e) {
    if (compare(e.id, this.#cursor) <= 0) return;
    for (const flight of this.#flights) flight.push(e);
    this._apply(e);
    this.#timers.change ??= setTimeout(() => this._change(), GATHER);
  }

  /** Calls fn after a time, instead of the last function with that name. */
  _after(name, ms, fn) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(fn, ms);
  }

  /** Tells the listeners of a change. */
  _change() {
    const { change } = this.#timers;
    clearTimeout(change);
    this.#timers.change = undefined;
    if (this.state !== 'closed') this.#listeners._tell('change', this._show(!!change));
  }
}
