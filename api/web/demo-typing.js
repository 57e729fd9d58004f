// Typing: sends the user's own signal, and shows the users that are typing.

import { nameOf } from './demo-dom.js';

const SIGNAL_EVERY = 2_500; // ms between two signals of a user who keeps typing
const FORGET_AFTER = 7_000; // ms; the server sends a new state after 6 s, unless the connection is cut

/** Tells the server that the user is typing, at most once in 2.5 s. */
export class TypingSignal {
  #send;
  #last = -Infinity;

  /** @param {() => Promise<unknown>} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * Must be called at every change of the text.
   * @param {string} text
   */
  typed(text) {
    if (text.trim() === '' || performance.now() - this.#last < SIGNAL_EVERY) return;
    this.#last = performance.now();
    this.#send().catch(() => {}); // the next signal replaces a lost one
  }

  /** Called when the text was sent. The first letter of the next text then signals at once. */
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
   * @param {string} me  the id of the pane's user, who is not shown
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
   * Removes one user, whose comment has arrived.
   * @param {string} [id]
   */
  forget(id) {
    const users = this.#state.users.filter((user) => user.id !== id);
    const count = this.#state.count - (this.#state.users.length - users.length);
    this.#state = { users, count };
    this.#render();
  }

  /** Removes all users, because none is typing or the state is unknown. */
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
