// Reads the counts of all posts that the elements of a page show, in as few calls as possible, once
// a minute while the page is visible.

import { MOST_POSTS } from '../api.js';
import { portions } from '../calls.js';

const MINUTE = 60_000;

/** The elements that one client reads counts for. */
export class Counts {
  /** @type {Map<any, Counts>} */
  static #all = new Map();

  /** @type {Set<import('./count.js').TidingsCount>} */
  #elements = new Set();
  #client;
  /** When the counts were read last, by Date.now. */
  #read = 0;
  #asked = false;
  #end = new AbortController();

  /** @param {any} client */
  static of(client) {
    if (!Counts.#all.has(client)) Counts.#all.set(client, new Counts(client));
    return /** @type {Counts} */ (Counts.#all.get(client));
  }

  /** @param {any} client */
  constructor(client) {
    this.#client = client;
    const { signal } = this.#end;
    const timer = setInterval(() => this.#look(), MINUTE);
    signal.addEventListener('abort', () => clearInterval(timer));
    document.addEventListener('visibilitychange', () => this.#look(), { signal });
  }

  /**
   * @param {import('./count.js').TidingsCount} element
   * @param {AbortSignal} signal  ends the membership; the last one ends all
   */
  add(element, signal) {
    this.#elements.add(element);
    signal.addEventListener('abort', () => {
      this.#elements.delete(element);
      if (this.#elements.size) return;
      Counts.#all.delete(this.#client);
      this.#end.abort();
    });
    this.ask();
  }

  /** Reads the counts after this task, once for all elements that ask in it. */
  ask() {
    if (this.#asked) return;
    this.#asked = true;
    setTimeout(() => {
      this.#asked = false;
      this.#readAll();
    });
  }

  #look() {
    if (!document.hidden && Date.now() - this.#read > MINUTE / 2) this.ask();
  }

  async #readAll() {
    this.#read = Date.now();
    const posts = [...new Set(Array.from(this.#elements, (element) => element.counted))];
    for (const some of portions(posts, MOST_POSTS)) {
      try {
        const counts = await this.#client.counts(some);
        for (const element of this.#elements) element.show(counts[element.counted]);
      } catch (error) {
        if (!this.#end.signal.aborted) console.warn('tidings-count:', error);
      }
    }
  }
}
