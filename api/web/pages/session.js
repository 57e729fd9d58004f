// The credential of a page of ours: the cookie of the site, or a token that the user pastes. It is
// kept for this tab only and is never part of an address.

import { find } from './dom.js';

const KEY = 'tidings-token';

/** A form for a token, and the button to forget it. */
export class Session {
  /** @type {string|null} */
  token = sessionStorage.getItem(KEY);
  #change;

  /** @param {() => void} change  called when there is another token */
  constructor(change) {
    this.#change = change;
    find('sign-in').addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#set(find('token').value.trim());
      find('token').value = '';
    });
    find('sign-out').addEventListener('click', () => this.#set(null));
    this.#show(false);
  }

  /** Asks for a token, and says why. */
  ask(/** @type {string} */ reason) {
    find('sign-in-reason').textContent = reason;
    this.#show(true);
    if (document.activeElement === document.body) find('token').focus();
  }

  /** Hides the form: the credential is good. */
  accept() {
    this.#show(false);
  }

  /** @param {string|null} token */
  #set(token) {
    this.token = token || null;
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
    this.#change();
  }

  /** @param {boolean} asking */
  #show(asking) {
    find('sign-in').hidden = !asking;
    find('main').hidden = asking;
    find('sign-out').hidden = asking || !this.token;
  }
}
