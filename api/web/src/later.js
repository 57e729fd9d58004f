// What a page uses later than events, if at all: its code is in another file, which the first use loads.

import { Problem, sleep } from './calls.js';
import { Listeners } from './listeners.js';

const FILE = './data.js';
const ATTEMPTS = 4; // to load the file for one use
const PAUSE = 1_000; // ms; upper bound of the pause before the second attempt, longer before each further one

/** @typedef {typeof import('./data.js')} Data */

/** @type {Promise<Data>|null} */
let loading = null;
let query = ''; // of its address

/** Returns the module data.js. It throws a Problem if the file cannot be loaded; the next call tries again. */
export const load = () => (loading ??= attempt(1));

/**
 * @param {number} number
 * @returns {Promise<Data>}
 */
async function attempt(number) {
  try {
    return await import(FILE + query);
  } catch (cause) {
    query += '?'; // a browser may keep a failure by its address
    if (number < ATTEMPTS) return sleep(Math.random() * PAUSE * number).then(() => attempt(number + 1));
    loading = null;
    throw new Problem({ code: 'unreachable', detail: 'the server cannot be reached', cause });
  }
}

/**
 * Returns what stands for a thread or an inbox. Until the code is loaded, it has the state "loading" and the given
 * fields, and its methods wait.
 * @param {(data: Data) => any} make
 * @param {any} fields
 * @param {string[]} methods  of a thread or an inbox, but for on and close
 * @param {any} change  what listeners get with an error of the stand-in
 */
export function later(make, fields, methods, change) {
  const listeners = new Listeners();
  /** @type {any} the thread or the inbox, once it is there */
  let made;
  const ready = () => load().then((data) => {
    if (standIn.state === 'closed') throw new DOMException('closed', 'AbortError');
    if (!made) {
      made = make(data);
      made.on('change', (/** @type {any} */ change) => listeners._tell('change', change));
    }
    return made;
  });
  const standIn = {
    state: 'loading',
    error: null,
    more: false,
    on: (/** @type {string} */ name, /** @type {Function} */ fn, /** @type {any} */ options) => listeners.on(name, ({ data }) => fn(data), options),
    close: () => (standIn.state = 'closed'),
    ...fields,
  };
  for (const name of methods) {
    standIn[name] = (/** @type {any[]} */ ...args) => {
      const result = ready().then((one) => one[name](...args));
      result.catch(() => {}); // the state of the stand-in shows it
      return result;
    };
  }
  const begin = () => ready().catch((error) => {
    if (standIn.state === 'closed') return;
    Object.assign(standIn, { state: 'error', error });
    listeners._tell('change', change);
    setTimeout(begin, PAUSE * 4);
  });
  begin();
  return new Proxy(standIn, {
    get(_, name) {
      const value = (made ?? standIn)[name];
      return made && value?.bind ? value.bind(made) : value;
    },
  });
}
