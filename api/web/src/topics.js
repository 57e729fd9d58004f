// The topics of one page: which it wants, and up to where it has their events.

import { Problem, sleep } from './calls.js';
import { compare } from './cursor.js';
import { pollOnce } from './sources.js';

const MOST_QUEUED = 500; // batches that wait for a piece that is missing before them
const LONGEST_PAUSE = 30_000; // ms between two attempts to read that piece

/**
 * @typedef {import('./listeners.js').Event} Event
 * @typedef {import('./connection.js').Batch} Batch
 * @typedef {import('./connection.js').Gap} Gap
 *
 * @typedef {object} Topic
 * @property {number} count  subscribers
 * @property {string|null} cursor  the next batch must begin here; null: before the first batch
 * @property {string|null} _seen  all events up to here have been emitted
 * @property {boolean} refused  by the server, or because the connection has no room
 * @property {boolean} spare  whether other topics come first if not all have room
 */

/**
 * Takes batches from a connection of this page or of another one, and emits each event of the
 * topics once, in order, and again for a subscriber that comes with an older cursor. A piece that is missing before a batch is polled first.
 */
export class Topics {
  #caller;
  #listeners;
  /** @type {Map<string, Topic>} */
  #all = new Map();
  /** @type {Batch[]} */
  #queue = [];
  #filling = false;
  #controller = new AbortController();
  /** @type {string|null|undefined} the user whose own topic "me" stands for */
  user;

  /**
   * @param {import('./calls.js').Caller} caller
   * @param {import('./listeners.js').Listeners} listeners
   */
  constructor(caller, listeners) {
    this.#caller = caller;
    this.#listeners = listeners;
  }

  /** The topics that are wanted and not refused, the spare ones last. */
  get _wanted() {
    return [...this.#all]
      .filter(([, { refused }]) => !refused)
      .sort(([, a], [, b]) => Number(a.spare) - Number(b.spare))
      .map(([name]) => name);
  }

  /** The cursor from which a connection brings all that is missing; null for now. */
  get cursor() {
    return this.#first(this._wanted);
  }

  /**
   * @param {string} topic
   * @param {{cursor?: string|null, spare?: boolean}} [options]
   */
  add(topic, { cursor = null, spare = false } = {}) {
    const known = this.#all.get(topic);
    if (known?.refused) Object.assign(known, { cursor, _seen: cursor, refused: false }); // the newcomer must have the topic, or be told
    if (!known) return void this.#all.set(topic, { count: 1, cursor, _seen: cursor, refused: false, spare });
    known.count++;
    known.spare &&= spare;
    // The newcomer has not had the events in between: they are emitted again.
    if (cursor && (known.cursor === null || compare(cursor, known.cursor) < 0)) known.cursor = cursor;
  }

  /** @param {string} topic */
  remove(topic) {
    const known = this.#all.get(topic);
    if (known && --known.count < 1) this.#all.delete(topic);
  }

  /**
   * @param {string[]} topics
   * @param {Problem} problem  or the members of one, from another tab
   */
  _refuse(topics, problem) {
    const ours = topics.filter((topic) => this.#all.has(topic) && !this.#all.get(topic)?.refused);
    for (const topic of ours) Object.assign(this.#all.get(topic) ?? {}, { refused: true, cursor: null, _seen: null });
    if (ours.length) this.#listeners._tell('refused', { topics: ours, problem: new Problem(problem) });
  }

  /** Forgets what belongs to a user: another one reads from now on. */
  _forget() {
    for (const [name, topic] of this.#all) {
      topic.refused = false;
      if (name === 'me') topic.cursor = topic._seen = null;
    }
    this.stop();
  }

  /** Ends requests that are under way. The next batch begins them again. */
  stop() {
    this.#controller.abort();
    this.#controller = new AbortController();
    this.#queue = [];
  }

  /** @param {Batch} batch */
  take(batch) {
    if (this.#queue.length === MOST_QUEUED) this.#queue = []; // what is missing then is polled, too
    this.#queue.push(batch);
    if (!this.#filling) this.#drain();
  }

  /**
   * Events are missing between two cursors, and cannot be had any more.
   * @param {Gap} gap
   */
  gap(gap) {
    let concerned = false;
    for (const topic of this.#all.values()) {
      if (topic.cursor === null || compare(topic.cursor, gap.from) > 0) continue;
      concerned = true;
      topic.cursor = topic._seen = gap.resumed;
    }
    if (concerned) this.#listeners._tell('gap', gap);
  }

  /** Applies the batches, up to one before which a piece is missing. */
  #drain() {
    for (let batch; (batch = this.#queue[0]);) {
      const behind = this.#behind(batch);
      if (behind.length) return void this.#fill(behind, batch.from);
      this.#queue.shift();
      this.#apply(batch);
    }
  }

  /**
   * Returns the topics of a batch whose events before it are missing.
   * @param {Batch} batch
   */
  #behind({ from, topics }) {
    return topics.filter((name) => {
      const topic = this.#all.get(name);
      return topic && !topic.refused && topic.cursor !== null && !(compare(from, topic.cursor) <= 0);
    });
  }

  /** @param {Batch} batch */
  #apply({ to, topics, events }) {
    for (const event of events) {
      const name = this.#nameOf(event);
      const topic = name !== null && this.#all.get(name);
      if (!topic || !topics.includes(name) || compare(event.id, topic.cursor) <= 0) continue;
      const again = compare(event.id, topic._seen) <= 0;
      if (event.id) topic.cursor = event.id;
      if (event.id && !again) topic._seen = event.id;
      this.#listeners._emit({ ...event, topic: name }, again);
    }
    for (const name of topics) {
      const topic = this.#all.get(name);
      if (topic && !(compare(to, topic.cursor) <= 0)) topic.cursor = to;
      if (topic && !(compare(to, topic._seen) <= 0)) topic._seen = to;
    }
  }

  /**
   * Returns the name by which this page knows the topic of an event.
   * @param {Event} event
   */
  #nameOf({ topic }) {
    return topic === `user:${this.user}` && !this.#all.has(topic) ? 'me' : topic;
  }

  /**
   * Polls what is missing of some topics, up to a cursor, and then applies the batches.
   * @param {string[]} names
   * @param {string|null} target
   */
  async #fill(names, target) {
    const { signal } = this.#controller;
    this.#filling = true;
    for (let pause = 500; !signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      const topics = names.filter((name) => this._wanted.includes(name));
      const cursor = this.#first(topics);
      if (!cursor || compare(target, cursor) <= 0) break;
      try {
        const page = await pollOnce(this.#caller, { topics, cursor, signal, wait: 0 });
        if (signal.aborted) break;
        if (page.gap) this.gap(page.gap);
        this.#apply({ from: cursor, to: page.cursor, topics, events: page.events });
        if (page.more) {
          pause = 250;
          continue;
        }
        // Another history: what the queue has belongs to one that is over, or is polled later.
        if (Number.isNaN(compare(target, page.cursor))) this.#queue = [];
        if (!(compare(target, page.cursor) > 0)) break;
      } catch (/** @type {any} */ error) {
        if (error.topics) this._refuse(error.topics, error);
      }
      await sleep(Math.random() * pause, signal); // this instance is behind the other one, or there is none
    }
    this.#filling = false;
    this.#drain();
  }

  /**
   * Returns the cursor of some topics that is before those of the others, null if none has one.
   * @param {string[]} names
   */
  #first(names) {
    /** @type {string|null} */
    let first = null;
    for (const name of names) {
      const cursor = this.#all.get(name)?.cursor ?? null;
      if (first === null || compare(cursor, first) < 0) first = cursor;
    }
    return first;
  }
}
