// Requests to the server: tokens and problems.

const LONGEST_ANSWER = 16 << 20; // bytes; only a server that is not ours sends more
const MOST_BYTES = 5_500; // of names in the address of a request; proxies accept 8 KB

/**
 * The error of a request: an answer that is a problem (RFC 9457), or no usable answer. Then
 * status is 0 or the status of the answer, and code is "unreachable", "not_json" or "too_long".
 * Members of the problem that have no field here, such as topics, are properties, too, and so is retryAfter, in seconds.
 */
export class Problem extends Error {
  /** A file that is loaded later has a class of its own with the same name. */
  static [Symbol.hasInstance](/** @type {any} */ error) {
    return error instanceof Error && error.name === 'Problem';
  }

  name = 'Problem';
  status = 0;
  code = '';
  detail = '';

  /** @param {Record<string, any>} members */
  constructor(members) {
    super(members.detail || members.title || members.code);
    Object.assign(this, members);
  }
}

/**
 * Returns a promise that is resolved after ms, or when the signal ends.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export const sleep = (ms, signal) => new Promise((done) => {
  setTimeout(done, signal?.aborted ? 0 : ms);
  signal?.addEventListener('abort', done);
});

/**
 * Returns the claims of a JWT, without verifying it, or none if it cannot be read.
 * @param {string|null} token
 * @returns {Record<string, any>}
 */
export function claims(token) {
  try {
    const payload = atob(/** @type {string} */ (token).split('.')[1].replace(/-/g, '+').replace(/_/g, '/'));
    return Object(JSON.parse(new TextDecoder().decode(Uint8Array.from(payload, (c) => c.charCodeAt(0)))));
  } catch {
    return {};
  }
}

/**
 * Returns the JSON of an answer, or null if it has none. It throws a Problem for an answer that is
 * a problem, no JSON, or too long.
 * @param {Response} answer
 */
export async function contentOf(answer) {
  const { status, ok } = answer;
  const retryAfter = Number(answer.headers.get('Retry-After')) || undefined;
  const text = await textOf(answer);
  if (status === 204) return null;
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Problem({ status, retryAfter, code: 'not_json', detail: `the server answered ${status} without JSON` });
  }
  if (!ok) throw new Problem({ retryAfter, code: `http_${status}`, ...content, status });
  return content;
}

/** @param {Response} answer */
async function textOf(answer) {
  const reader = answer.body?.getReader();
  if (!reader) return answer.text();
  const decoder = new TextDecoder();
  let text = '';
  for (let size = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    text += decoder.decode(value, { stream: true });
    if (size > LONGEST_ANSWER) {
      reader.cancel().catch(() => {});
      throw new Problem({ status: answer.status, code: 'too_long', detail: 'the answer is too long' });
    }
  }
}

/**
 * Splits the names of topics or posts into portions that fit into the address of a request.
 * @param {string[]} names
 * @param {number} most  names of a portion
 */
export function portions(names, most) {
  /** @type {string[][]} */
  const all = [];
  let room = 0;
  for (const name of names) {
    const bytes = encodeURIComponent(name).length + '&topic='.length;
    if (bytes > room || all.at(-1)?.length === most) {
      all.push([]);
      room = MOST_BYTES;
    }
    all.at(-1)?.push(name);
    room -= bytes;
  }
  return all;
}

/** Sends requests as one user. */
export class Caller {
  #getToken;
  /** @type {string|null|undefined} */
  #token;
  /** @type {Promise<string|null>|null} */
  #getting = null;

  /**
   * @param {URL} base  address of the server, which ends in "/"
   * @param {{token?: string|null, getToken?: () => string|null|Promise<string|null>}} options
   * @param {(user: string|null) => void} onUser  called with the user that an answer names
   */
  constructor(base, { token, getToken }, onUser) {
    this.base = base;
    this.#token = token;
    this.#getToken = getToken;
    this.onUser = onUser;
  }

  /** Whether requests carry a token, or would if there were one, instead of the cookie. */
  get _bearer() {
    return this.#token !== undefined || this.#getToken !== undefined;
  }

  /** Whether another token can be got without setToken. */
  get renews() {
    return this.#getToken !== undefined;
  }

  /** @param {string|null} token */
  setToken(token) {
    this.#token = token;
    this.#getting = null;
  }

  /**
   * Returns the token, null without one. The first call asks getToken, and so does each call with
   * the token that the server has refused or that ends soon. It throws the error of getToken.
   * @param {string|null} [old]
   * @returns {Promise<string|null>}
   */
  async token(old) {
    if (this.#getToken && (this.#token === undefined || (old !== undefined && old === this.#token))) {
      const getting = (this.#getting ??= Promise.resolve(this.#getToken()));
      try {
        const token = await getting;
        if (this.#getting === getting) this.#token = token ?? null;
      } finally {
        if (this.#getting === getting) this.#getting = null;
      }
    }
    return this.#token ?? null;
  }

  /**
   * Sends one request as the user and returns the answer, whatever it is. It throws what fetch
   * throws, and the error of getToken.
   * @param {string} path  below v1/, with its query
   * @param {RequestInit & {headers?: Record<string, string>}} init
   * @param {string|null} [token]
   */
  async fetch(path, init, token) {
    token ??= await this.token();
    return fetch(`${this.base}v1/${path}`, {
      credentials: this._bearer ? 'omit' : 'include',
      ...init,
      headers: { ...init.headers, ...(token && { Authorization: `Bearer ${token}` }) },
    });
  }
}
