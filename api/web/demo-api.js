// The requests of one user to the HTTP API, and the types of the answers.

/**
 * @typedef {{id: string, name: string|null, avatarUrl?: string|null}} User
 *
 * @typedef {object} Comment
 * @property {string} id
 * @property {string} postId
 * @property {string|null} parentId
 * @property {User|null} author  null if the comment is deleted
 * @property {string} body
 * @property {string} status  "published", or "deleted" for a tombstone with replies
 * @property {string} createdAt
 * @property {string|null} editedAt
 * @property {number} version
 *
 * @typedef {object} CommentPage
 * @property {Comment[]} data
 * @property {{next: string|null, more: boolean}} page
 * @property {{commentCount: number, likeCount: number, liked: boolean}} post
 * @property {string} cursor  of the database snapshot the page was read from
 *
 * @typedef {object} Notice
 * @property {string} id
 * @property {string} kind  "comment", "reply", "mention" or "like"
 * @property {string} postId
 * @property {string} [commentId]
 * @property {User} actor
 * @property {number} [count]  of a like: the number of other users who like the post or comment
 * @property {string} createdAt
 * @property {string|null} readAt
 *
 * @typedef {{id: string, name: string, token: string}} DemoUser
 * @typedef {{post: string, users: DemoUser[], lines: {title: string, text: string}[]}} Config
 */

/** The error of a request that got a problem as answer, or no answer. Its message can be shown to users. */
export class Problem extends Error {
  /**
   * @param {string} code  the stable code of the API; "unreachable" if there was no answer
   * @param {string} detail
   */
  constructor(code, detail) {
    super(detail);
    this.name = 'Problem';
    this.code = code;
  }
}

// In milliseconds. A busy server answers within this time; a dead connection never answers.
const TIMEOUT = 10_000;

/**
 * Returns the absolute URL of a path below the page's own address.
 * @param {string} path
 */
export function urlOf(path) {
  return new URL(path, document.baseURI);
}

/**
 * Reads the page's configuration. It throws a Problem.
 * @returns {Promise<Config>}
 */
export async function readConfig() {
  return contentOf(await ask('GET', 'demo/config', {}));
}

/** The API, called as one user. */
export class Api {
  #id;
  #token;

  /** @param {DemoUser} user */
  constructor(user) {
    this.#id = user.id;
    this.#token = user.token;
  }

  /**
   * Sends a request and returns the JSON of the answer, or null if the answer is empty. It
   * throws a Problem. If the server answers 401, the token is read again from the configuration
   * and the request is sent once more: a token of the demo ends after a day, and with a new key.
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {string} [key]  the idempotency key: a second request with the same key and body changes
   *     nothing and gets the answer of the first
   * @returns {Promise<any>}
   */
  async call(method, path, body, key) {
    let answer = await this.#send(method, path, body, key);
    if (answer.status === 401) {
      const config = await readConfig();
      this.#token = config.users.find((user) => user.id === this.#id)?.token ?? this.#token;
      answer = await this.#send(method, path, body, key);
    }
    return contentOf(answer);
  }

  #send(method, path, body, key) {
    const headers = { Authorization: `Bearer ${this.#token}` };
    if (key) headers['Idempotency-Key'] = key;
    if (body === undefined) return ask(method, path, { headers });
    headers['Content-Type'] = 'application/json';
    return ask(method, path, { headers, body: JSON.stringify(body) });
  }
}

async function ask(method, path, init) {
  try {
    return await fetch(urlOf(path), { method, signal: AbortSignal.timeout(TIMEOUT), ...init });
  } catch {
    throw new Problem('unreachable', 'The server cannot be reached.');
  }
}

async function contentOf(answer) {
  const text = await answer.text().catch(() => 'cut'); // not JSON, so that a cut answer is incomplete
  const content = parse(text);
  if (!answer.ok) {
    throw new Problem(content?.code ?? `http_${answer.status}`,
      content?.detail || content?.title || `The server answered ${answer.status}.`);
  }
  const expected = answer.status !== 204;
  if (expected && content === null) throw new Problem('unreachable', 'The answer is incomplete.');
  return content;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
