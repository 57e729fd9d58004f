// One connection for all tabs of a site and user: a Web Lock decides which tab has it, and a
// BroadcastChannel carries the events to the others.

import { Connection, TOO_MANY } from './connection.js';
import { compare } from './cursor.js';

const SIGN_OF_LIFE = 1_000; // ms between two signs of the leader
const SILENCE = 3; // ticks without one after which a visible tab takes over
const LONG_SILENCE = 10; // the same for a hidden tab
const SPREAD = 500; // ms; upper bound of a random wait, so that tabs do not take over at once
const GATHER = 50; // ms in which events become one message
const ROLL_CALL = 60_000; // ms after which the leader asks again for the topics of the others
const WITHOUT_TOKEN = 5_000; // ms for which a tab without a token leaves the lead to others
const STAYS_HIDDEN = 10_000; // ms after which a hidden page closes a connection that is its own

/**
 * @typedef {import('./connection.js').Batch} Batch
 *
 * @typedef {object} Owner  the page, as its link to the server sees it
 * @property {import('./calls.js').Caller} caller
 * @property {import('./topics.js').Topics} topics
 * @property {boolean} presence
 * @property {(state: string) => void} state
 * @property {(error: any) => void} error
 * @property {(user: string|null) => void} user
 * @property {() => void} apart  reads by a connection that only this page uses, from now on
 */

const hidden = () => globalThis.document?.visibilityState === 'hidden';

/**
 * The link of a page to the server: a share in the connection that all tabs with the same name have, or a
 * connection that only this page uses, while it is visible.
 */
export class Link {
  #id = Math.random();
  #owner;
  #name;
  /** @type {BroadcastChannel|undefined} */
  #channel;
  /** @type {AbortController|null} of the request for the lock, until the lock is lost; null without one */
  #waiting = null;
  /** @type {(() => void)|null} gives the lock up; null without it */
  #release = null;
  /** @type {Connection|null} of the leader */
  #connection = null;
  /** @type {Map<number, {topics: string[], cursor: string|null, presence: boolean, called: number}>} by id */
  #others = new Map();
  #called = 0; // number of the last roll call
  /** @type {Batch|null} the events that wait for their message */
  #gathered = null;
  #gathering = 0; // timer
  #gatheredAt = 0;
  #state = 'connecting';
  #silent = 0; // ticks since the last message of a leader
  #resting = 0; // time until which this tab leaves the lead to others
  #next = 0; // when the next roll call is
  #looking = 0; // timer of look, for taking over from a hidden leader, or for closing a connection that is hidden
  #left = false;
  #ticking = 0; // timer

  /**
   * Joins the tabs with the same name, or shares with none.
   * @param {Owner} owner
   * @param {string} name
   * @param {boolean} shares
   */
  constructor(owner, name, shares) {
    this.#owner = owner;
    this.#name = name;
    if (!shares) {
      this.#lead();
      return;
    }
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#ticking = setInterval(() => this.#tick(), SIGN_OF_LIFE);
    this.#wait();
    this._update();
    if (!hidden()) this.#say('ask');
  }

  /** The topics have changed. */
  _update() {
    const { topics, presence } = this.#owner;
    this.#say('want', { topics: topics._wanted, cursor: topics.cursor, presence });
    this.#want();
  }

  /** The network or the token has changed. */
  _renew() {
    this.#connection?._renew();
  }

  /** The page became visible or hidden. A visible tab takes over from a hidden one. */
  look() {
    if (!this.#channel) {
      clearTimeout(this.#looking);
      if (hidden()) this.#looking = setTimeout(() => this.#unlead(), STAYS_HIDDEN);
      else if (!this.#connection) this.#lead();
    } else if (this.#connection) this.#sign();
    else if (!hidden()) this.#say('ask');
  }

  /** Leaves the others, which go on without this tab. */
  _leave() {
    if (this.#left) return;
    this.#say('gone', { user: this.#cookieUser });
    this.#left = true;
    this.#unlead();
    this.#waiting?.abort();
    this.#channel?.close();
    clearInterval(this.#ticking);
    clearTimeout(this.#looking);
  }

  /**
   * Waits for the lock, or takes it from a leader that is silent or hidden. Each tab has one request
   * at most: the one before ends.
   * @param {boolean} [steal]
   */
  #wait(steal = false) {
    if (this.#left || this.#connection || Date.now() < this.#resting) return;
    this.#silent = 0;
    this.#waiting?.abort();
    const waiting = (this.#waiting = new AbortController());
    const options = steal ? { steal } : { signal: waiting.signal };
    const lead = () => new Promise((release) => {
      if (waiting.signal.aborted) return release(null);
      this.#lead(() => release(null));
    });
    navigator.locks.request(this.#name, options, lead).catch((error) => {
      if (waiting.signal.aborted) return; // by this tab
      this.#unlead();
      this.#waiting = null; // after a failure, the next tick asks again
      if (error.name !== 'AbortError') return;
      // Another tab has taken the lock, and may have called the roll while this one still led.
      this.#wait();
      this._update();
    });
  }

  /** @param {() => void} [release]  gives the lock up */
  #lead(release) {
    const { caller, topics, error } = this.#owner;
    this.#release = release ?? null;
    this.#others.clear();
    this.#connection = new Connection(caller, {
      batch: (batch) => {
        topics.take(batch);
        this.#gather(batch);
      },
      gap: (gap) => {
        this.#send();
        topics.gap(gap);
        this.#say('gap', { gap });
      },
      state: (state) => {
        this.#setState(state);
        this.#sign();
      },
      refused: (names, problem) => {
        if (this.#refuse(names, problem)) return;
        for (const other of this.#others.values()) other.topics = other.topics.filter((name) => !names.includes(name));
        this.#say('refused', { topics: names, problem: { ...problem } });
      },
      error,
      _noToken: () => this.#channel && this.#rest(),
    });
    this.#callRoll();
    this.#sign();
    this.#want();
  }

  /**
   * Topics of some tab are refused. If the tabs have more than a connection has room for, this one goes apart.
   * @param {string[]} names
   * @param {any} problem
   * @returns {boolean|void} whether the tab has left
   */
  #refuse(names, problem) {
    const { topics, apart } = this.#owner;
    if (!this.#channel || problem.code !== TOO_MANY) return topics._refuse(names, problem);
    if (!topics._wanted.some((topic) => names.includes(topic))) return;
    apart();
    return true;
  }

  /** Stops at once, if this tab leads. */
  #unlead() {
    this.#connection?.close();
    this.#connection = this.#gathered = null;
    clearTimeout(this.#gathering);
    this.#release?.();
    this.#release = null;
  }

  /** Without a token, another tab may do better. */
  #rest() {
    this.#waiting?.abort();
    this.#waiting = null;
    this.#unlead();
    this.#resting = Date.now() + WITHOUT_TOKEN;
  }

  /** Gives the connection the topics of all tabs, and the first of their cursors. */
  #want() {
    if (!this.#connection) return;
    const { topics, presence } = this.#owner;
    const all = [{ topics: topics._wanted, cursor: topics.cursor, presence }, ...this.#others.values()];
    const cursor = all.map((one) => one.cursor).reduce((a, b) => (a === null || compare(b, a) < 0 ? b : a));
    this.#connection.want([...new Set(all.flatMap((one) => one.topics))], all.some((one) => one.presence), cursor);
  }

  /**
   * Each second, the leader gives a sign of life. Another tab that misses it asks for one, which a
   * leader with late timers answers, and then takes over. A hidden tab lets a visible one do so first.
   */
  #tick() {
    if (this.#connection) {
      this.#sign();
      if (Date.now() > this.#next) this.#callRoll();
    } else {
      if (!this.#waiting) this.#wait();
      this.#silent++; // ticks, not ms: a page that sleeps or is slow misses its own ticks, too
      if (this.#silent === 2) this.#say('ask');
      if (this.#silent > (hidden() ? LONG_SILENCE : SILENCE)) this.#wait(true);
    }
  }

  /** Asks the others for their topics, and forgets those that did not answer the last call. */
  #callRoll() {
    for (const [id, { called }] of this.#others) if (called < this.#called) this.#others.delete(id);
    this.#called++;
    this.#next = Date.now() + ROLL_CALL;
    this.#say('call');
    this.#want();
  }

  #sign() {
    this.#send();
    this.#say('sign', { state: this.#state, hidden: hidden(), user: this.#cookieUser, batch: this.#connection?._place });
  }

  /** The user that the cookie stands for, undefined until it is known. */
  get #cookieUser() {
    return this.#owner.caller._bearer ? undefined : this.#owner.topics.user;
  }

  /** @param {string} state */
  #setState(state) {
    this.#state = state;
    this.#owner.state(state);
  }

  /**
   * Gathers events for 50 ms, so that many events are few messages.
   * @param {Batch} batch
   */
  #gather(batch) {
    if (!this.#channel) return;
    const last = this.#gathered;
    if (last && String(last.topics) === String(batch.topics) && last.to === batch.from) {
      last.to = batch.to;
      last.events.push(...batch.events);
    } else {
      this.#send();
      this.#gathered = { ...batch, events: [...batch.events] };
      this.#gatheredAt = Date.now();
      this.#gathering = setTimeout(() => this.#send(), GATHER);
    }
    if (Date.now() - this.#gatheredAt > GATHER) this.#send(); // timers of a hidden page are late
  }

  #send() {
    clearTimeout(this.#gathering);
    if (this.#gathered) this.#say('batch', { batch: this.#gathered });
    this.#gathered = null;
  }

  /**
   * @param {string} kind
   * @param {object} [more]
   */
  #say(kind, more) {
    if (this.#left) return; // a listener of the page has closed the client meanwhile
    this.#channel?.postMessage({ kind, id: this.#id, ...more });
  }

  /** @param {any} message  of another tab */
  #hear(message) {
    const { kind, id, user } = message;
    if (user !== undefined && !this.#owner.caller._bearer) {
      this.#owner.user(user);
      if (this.#left) return; // to join under the name of another user
    }
    if (kind === 'want') {
      this.#others.set(id, { ...message, called: this.#called });
      return this.#want();
    }
    if (kind === 'gone') {
      this.#others.delete(id);
      return this.#want();
    }
    if (kind === 'ask') return this.#connection && this.#sign();
    if (this.#connection) return; // another leader, whose lock this tab has taken
    const { topics } = this.#owner;
    this.#silent = 0;
    if (message.batch) topics.take(message.batch);
    if (kind === 'gap') topics.gap(message.gap);
    if (kind === 'refused') return void this.#refuse(message.topics, message.problem);
    if (kind === 'call') this._update();
    if (kind !== 'sign') return;
    this.#setState(message.state);
    // The first of the visible tabs takes over: its sign of life ends the timers of the others.
    clearTimeout(this.#looking);
    if (message.hidden && !hidden()) this.#looking = setTimeout(() => this.#wait(true), Math.random() * SPREAD);
  }
}
