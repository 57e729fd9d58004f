// Requests to the server: tokens, problems, repetition.

const ANSWERS_WITHIN = 15_000; // ms from sending a request to the end of its answer
const LONGEST_ANSWER = 16 << 20; // bytes; only a server that is not ours sends more
const MOST_BYTES = 5_500; // of names in the address of a request; proxies accept 8 KB
const OUTLIVES = 8_000; // characters; a write with a longer body ends with the page
const ATTEMPTS = 4; // of a request that may be repeated
const FIRST_PAUSE = 500; // ms; upper bound of the pause before the second attempt, doubled for each further one
const LONGEST_PAUSE = 10_000; // ms; a longer Retry-After is left to the caller

/** Statuses after which the same request may succeed a moment later. 0 stands for no answer. */
const TRANSIENT = [0, 408, 502, 503, 504];

/**
 * The error of a request: an answer that is a problem (RFC 9457), or no usable answer. Then
 * status is 0 or the status of the answer, and code is "unreachable", "not_json" or "too_long".
 * Members of the problem that have no field here, such as topics, are properties, too.
 */
export class Problem extends Error {
  /** @param {Record<string, any>} members */
  constructor(members) {
    super(members.detail || members.title || members.code);
    this.name = 'Problem';
    this.status = 0;
    this.code = '';
    this.detail = '';
    /** @type {string|undefined} */
    this.requestId = undefined;
    /** @type {number|undefined} */
    this.retryAfter = undefined; // seconds
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
 * Returns a signal that ends with another one, or when ms have passed.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 */
export const limited = (ms, signal) => AbortSignal.any([AbortSignal.timeout(ms), ...(signal ? [signal] : [])]);

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

/** Returns a random text of 20 to 28 characters. Plain HTTP has no crypto.randomUUID. */
export const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('');

/**
 * @typedef {object} CallOptions
 * @property {Record<string, any>} [query]  without the members that are empty
 * @property {object} [body]
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {boolean} [once]  the request is not repeated
 */

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
  get bearer() {
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
   * @param {string} path  below the base, with its query
   * @param {RequestInit & {headers?: Record<string, string>}} init
   * @param {string|null} [token]
   */
  async fetch(path, init, token) {
    token ??= await this.token();
    return fetch(new URL(path, this.base), {
      credentials: this.bearer ? 'omit' : 'include',
      ...init,
      headers: token ? { ...init.headers, Authorization: `Bearer ${token}` } : init.headers,
    });
  }

  /**
   * Sends a request and returns the JSON of the answer, null if it is empty. It throws a Problem,
   * the error of getToken, or the reason of the signal. A request without a usable answer is sent
   * again, with the same headers. A refused token is replaced once.
   * @param {string} method
   * @param {string} path
   * @param {CallOptions} [options]
   * @returns {Promise<any>}
   */
  async call(method, path, options = {}) {
    for (let attempt = 1, renewed = false; ; attempt++) {
      const token = await this.token();
      try {
        return await this.#send(method, path, options, token);
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!(error instanceof Problem)) throw error;
        if (error.status === 401 && this.#getToken && !renewed) {
          renewed = true;
          if ((await this.token(token)) !== token) continue;
        }
        // An edit is refused if its first answer was lost: browsers repeat requests, too.
        const { status, comment } = /** @type {any} */ (error);
        if (status === 412 && comment?.body === /** @type {any} */ (options.body)?.body) return comment;
        if (options.once || attempt === ATTEMPTS || !mayPass(error)) throw error;
        await sleep(Math.max((error.retryAfter ?? 0) * 1000, Math.random() * FIRST_PAUSE * 2 ** attempt), options.signal);
        options.signal?.throwIfAborted();
      }
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {CallOptions} options
   * @param {string|null} token
   */
  async #send(method, path, { query = {}, body, headers = {}, signal }, token) {
    const given = Object.entries(query).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
    const search = new URLSearchParams(given.filter(([, value]) => value != null && value !== false));
    try {
      const text = body && JSON.stringify(body);
      const answer = await this.fetch(given.length ? `${path}?${search}` : path, {
        method,
        signal: limited(ANSWERS_WITHIN, signal),
        headers: text ? { ...headers, 'Content-Type': 'application/json' } : headers,
        body: text,
        // The user may leave the page at once. Browsers take 64 KiB of such requests.
        keepalive: method !== 'GET' && !(text && text.length > OUTLIVES),
      }, token);
      const content = await contentOf(answer);
      if (content?.user !== undefined) this.onUser(content.user);
      return content;
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw new Problem({ code: 'unreachable', detail: 'the server cannot be reached', cause: error });
    }
  }
}

/**
 * Reports whether the same request may succeed a moment later.
 * @param {Problem} problem
 */
function mayPass({ status, code, retryAfter = 0 }) {
  return (TRANSIENT.includes(status) || code === 'idempotency_key_in_flight') && retryAfter * 1000 <= LONGEST_PAUSE;
}
