// One client for all elements of a page that read the same server as the same user.

import { claims } from '../calls.js';
import { Tidings } from '../whole.js';

/** @type {Map<any, Map<string, Session>>} sessions by getToken or null, then by address and user */
const sessions = new Map();

/** Options of an element that decide which client it uses. */
/** @typedef {{url?: string, token?: string, getToken?: () => any}} Access */

/** A client with the number of elements that use it. It is closed when that number is 0. */
export class Session {
  #users = 0;
  #kind;
  #name;
  #token;

  /**
   * @param {Access} access
   * @param {string} name
   */
  constructor(access, name) {
    this.#kind = access.getToken ?? null;
    this.#name = name;
    this.#token = access.token;
    this.client = new Tidings({ ...access, presence: true });
  }

  use() {
    this.#users++;
    return this;
  }

  /** Takes a newer token of the same user. @param {string | undefined} token */
  renew(token) {
    if (token && token !== this.#token) this.client.setToken(token);
    this.#token = token;
  }

  /** Whether the session has this name. @param {string} name */
  is(name) { return this.#name === name; }

  release() {
    if (--this.#users > 0) return;
    const named = sessions.get(this.#kind);
    named?.delete(this.#name);
    if (!named?.size) sessions.delete(this.#kind);
    this.client.close();
  }
}

/**
 * Returns the session for an element, which calls release when it needs it no more. It throws if
 * the address is none.
 * @param {Access} access
 */
export function sessionFor(access) {
  const kind = access.getToken ?? null;
  const name = nameOf(access);
  const known = sessions.get(kind)?.get(name);
  if (known) {
    if (!access.getToken) known.renew(access.token);
    return known.use();
  }
  const session = new Session(access, name);
  if (!sessions.has(kind)) sessions.set(kind, new Map());
  sessions.get(kind)?.set(name, session);
  return session.use();
}

/**
 * Returns what tells two sessions apart: the server, and the user of the token.
 * @param {Access} access
 */
export function nameOf({ url = '', token = '', getToken }) {
  return `${url} ${token && !getToken ? claims(token).sub ?? token : ''}`;
}
