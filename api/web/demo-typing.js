// Who is typing: telling the others, and showing what they tell.

import { nameOf } from './demo-dom.js';

const AGAIN_AFTER = 2_500; // ms between two signals while someone types on
const FORGET_AFTER = 7_000; // ms; the server forgets after 6 s and says so, unless the line is cut

/** Tells the server that a user types, at most once in 2.5 s. */
export class TypingSignal {
  #send;
  #last = -Infinity;

  /** @param {() => Promise<unknown>} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * To be called at every change of the text.
   * @param {string} text
   */
  typed(text) {
    if (text.trim() === '' || performance.now() - this.#last < AGAIN_AFTER) return;
    this.#last = performance.now();
    this.#send().catch(() => {}); // the next signal is as good as this one
  }

  /** The text was sent: the first letter of the next one signals at once. */
  reset() {
    this.#last = -Infinity;
  }
}

/** The line under the comments: "Ben is typing…". */
export class TypingLine {
  #element;
  #me;
  #state = { users: [], count: 0 };
  #timer = 0;

  /**
   * @param {HTMLElement} element
   * @param {string} me  the id of the user whose pane it is, never shown to themselves
   */
  constructor(element, me) {
    this.#element = element;
    this.#me = me;
  }

  /** @param {{users: {id: string, name: string}[], count: number}} state */
  show(state) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.clear(), FORGET_AFTER);
    this.#state = state;
    this.#render();
  }

  /**
   * Takes one user off the line: their comment is there.
   * @param {string} [id]
   */
  forget(id) {
    const users = this.#state.users.filter((user) => user.id !== id);
    const count = this.#state.count - (this.#state.users.length - users.length);
    this.#state = { users, count };
    this.#render();
  }

  /** Nobody is typing, or nobody knows. */
  clear() {
    clearTimeout(this.#timer);
    this.#state = { users: [], count: 0 };
    this.#render();
  }

  #render() {
    const { users, count } = this.#state;
    const others = users.filter((user) => user.id !== this.#me);
    const names = others.slice(0, 2).map(nameOf);
    const rest = count - (users.length - others.length) - names.length;
    if (rest > 0) names.push(rest === 1 ? '1 other' : `${rest} others`);
    this.#element.textContent = others.length > 0
      ? `${listOf(names)} ${names.length === 1 ? 'is' : 'are'} typing…`
      : '';
  }
}

/** @param {string[]} names */
function listOf(names) {
  return new Intl.ListFormat('en').format(names);
}
