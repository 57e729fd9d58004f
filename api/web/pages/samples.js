// The samples of one server: rates are the differences of its counts.

import { Chart } from './chart.js';

/** The last samples of a server. */
export class Samples {
  /** @type {Record<string, number>[]} */
  #all = [];
  /** @type {any} */
  #before;

  /** Adds an answer of GET /v1/inspect. */
  add(/** @type {any} */ answer) {
    const before = this.#before;
    this.#before = answer;
    if (!before) return;
    const seconds = (Date.parse(answer.time) - Date.parse(before.time)) / 1000;
    if (seconds <= 0) return; // the same answer, see inspectEvery in the server
    const now = answer.delivery;
    const rate = (/** @type {string} */ name) => (now[name] - before.delivery[name]) / seconds;
    this.#all.push({
      deliveries: rate('deliveries'), events: rate('events'), bytes: rate('bytes'),
      readers: answer.readers.sse + answer.readers.poll, lag: now.lagMs,
      latency: quantile(now.latency.map((/** @type {number} */ n, /** @type {number} */ i) => n - before.delivery.latency[i]), now.latencyBoundsMs, 0.95),
    });
    if (this.#all.length > Chart.samples) this.#all.shift();
  }

  /** Returns the values of a figure, the oldest first. */
  of(/** @type {string} */ name) {
    return this.#all.map((sample) => sample[name]);
  }

  /** Returns the newest value of a figure. */
  last(/** @type {string} */ name) {
    return this.#all.at(-1)?.[name] ?? 0;
  }
}

/**
 * Returns the upper bound of the part of the durations, such as 0.95, that are smallest; 0 without
 * any. Within a bucket the durations are taken to be spread evenly.
 * @param {number[]} counts
 * @param {number[]} bounds
 * @param {number} part
 */
export function quantile(counts, bounds, part) {
  const rank = counts.reduce((sum, n) => sum + n, 0) * part;
  let seen = 0;
  for (let i = 0; i < counts.length && rank > 0; i++) {
    if (seen + counts[i] >= rank) {
      const least = i ? bounds[i - 1] : 0;
      return least + ((bounds[i] ?? least) - least) * ((rank - seen) / counts[i]);
    }
    seen += counts[i];
  }
  return 0;
}
