// The wire: the raw events of both streams, one line each.

import { Follower, part, stamp } from './demo-dom.js';

/** The largest number of lines. */
const MAX_LINES = 30;

/** Events without an id. For these the browser reports the id of the event before. */
const WITHOUT_ID = new Set(['typing', 'presence', 'stream.ping']);

/** The list of events at the bottom of the page. */
export class Wire {
  #rows;
  #total;
  #follower;
  #count = 0;
  /** The line of each user's last ping. A new ping replaces it, so that pings do not push out other events. */
  #pings = new Map();

  /** @param {HTMLDetailsElement} strip */
  constructor(strip) {
    this.#rows = part(strip, 'wire-rows');
    this.#total = part(strip, 'wire-total');
    this.#follower = new Follower(this.#rows);
    strip.addEventListener('toggle', () => this.#follower.jump());
  }

  /**
   * Adds a line for an event.
   * @param {{id: string, name: string}} user  the user whose stream brought the event
   * @param {MessageEvent} event
   */
  add(user, event) {
    const row = stamp('wire-row');
    row.dataset.who = user.id;
    row.dataset.kind = kindOf(event.type);
    part(row, 'wire-user').textContent = user.name;
    part(row, 'wire-name').textContent = event.type;
    part(row, 'wire-id').textContent = WITHOUT_ID.has(event.type) ? '' : event.lastEventId;
    part(row, 'wire-data').textContent = event.data;
    part(row, 'wire-data').title = event.data;
    if (event.type === 'stream.ping') {
      this.#pings.get(user.id)?.remove();
      this.#pings.set(user.id, row);
    }
    this.#rows.append(row);
    while (this.#rows.childElementCount > MAX_LINES) this.#rows.firstElementChild.remove();
    this.#count += 1;
    this.#total.textContent = String(this.#count);
    this.#follower.follow();
  }
}

/** @param {string} name */
function kindOf(name) {
  if (name.startsWith('stream.')) return 'control';
  return WITHOUT_ID.has(name) ? 'ephemeral' : 'durable';
}
