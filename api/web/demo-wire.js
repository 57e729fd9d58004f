// The wire: the raw events of both streams, one line each, as they come in.

import { Follower, part, stamp } from './demo-dom.js';

const MOST = 30;

/** Events that carry no id: the browser would show the one before. */
const WITHOUT_ID = new Set(['typing', 'presence', 'stream.ping']);

/** The strip at the foot of the page. */
export class Wire {
  #rows;
  #total;
  #follower;
  #count = 0;
  /** A user's last ping, moved on rather than repeated: heartbeats would push the rest out. */
  #pings = new Map();

  /** @param {HTMLDetailsElement} strip */
  constructor(strip) {
    this.#rows = part(strip, 'wire-rows');
    this.#total = part(strip, 'wire-total');
    this.#follower = new Follower(this.#rows);
    strip.addEventListener('toggle', () => this.#follower.jump());
  }

  /**
   * @param {{id: string, name: string}} user  whose stream it came over
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
    while (this.#rows.childElementCount > MOST) this.#rows.firstElementChild.remove();
    this.#count += 1;
    this.#total.textContent = String(this.#count);
    this.#follower.follow();
  }
}

/** @param {string} name */
function kindOf(name) {
  if (name.startsWith('stream.')) return 'control';
  return WITHOUT_ID.has(name) ? 'passing' : 'fact';
}
