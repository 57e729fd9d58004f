// Lines that can be cut: requests with the token of a user then fail, as without a network.

/** @type {Map<string, Line>} by the value of Authorization */
const lines = new Map();
const send = globalThis.fetch;

class Line {
  #cut = new AbortController();

  /** Ends when the line is cut. */
  get signal() {
    return this.#cut.signal;
  }

  /** Cuts the line, or mends it. It returns whether the line is cut now. */
  toggle() {
    if (this.#cut.signal.aborted) this.#cut = new AbortController();
    else this.#cut.abort(new TypeError('the line is cut'));
    return this.#cut.signal.aborted;
  }
}

/** Returns the line of all requests with a token. */
export function lineOf(/** @type {string} */ token) {
  const line = new Line();
  lines.set(`Bearer ${token}`, line);
  return line;
}

globalThis.fetch = (input, init = {}) => {
  const line = lines.get(new Headers(init.headers).get('Authorization') ?? '');
  if (!line) return send(input, init);
  return send(input, { ...init, signal: init.signal ? AbortSignal.any([init.signal, line.signal]) : line.signal });
};
