// Listeners of events by name and topic.

/**
 * @typedef {object} Event
 * @property {string|null} id  the cursor after the event; null if the server does not keep it
 * @property {string} event  its name
 * @property {string|null} topic  null for the events of the client
 * @property {any} data
 */

/** Functions that are called with events. An error of one is reported and reaches no other. */
export class Listeners {
  /** @type {Set<{name: string, fn: (event: Event) => void, topic?: string, again?: boolean}>} */
  #all = new Set();

  /**
   * Calls fn with each event of a name until the returned function is called or the signal ends.
   * @param {string} name  "*" stands for all events of the server
   * @param {(event: Event) => void} fn
   * @param {{topic?: string, again?: boolean, signal?: AbortSignal}} [options]  again: also events that
   *     were emitted before, which come for a subscriber with an older cursor
   * @returns {() => void}
   */
  on(name, fn, { topic, again, signal } = {}) {
    const listener = { name, fn, topic, again };
    const remove = () => {
      this.#all.delete(listener);
      signal?.removeEventListener('abort', remove);
    };
    if (!signal?.aborted) {
      this.#all.add(listener);
      signal?.addEventListener('abort', remove);
    }
    return remove;
  }

  /**
   * @param {Event} event
   * @param {boolean} [repeated]  it was emitted before
   */
  _emit(event, repeated) {
    for (const { name, fn, topic, again } of [...this.#all]) {
      if (repeated && !again) continue;
      if (name !== event.event && (name !== '*' || event.topic === null)) continue;
      if (topic !== undefined && topic !== event.topic) continue;
      try {
        fn(event);
      } catch (error) {
        reportError(error);
      }
    }
  }

  /**
   * Tells an event of the client itself.
   * @param {string} event
   * @param {any} data
   */
  _tell(event, data) {
    this._emit({ id: null, event, topic: null, data });
  }
}
