// The tables and lists of the inspector.

import { brief, find, make, timeOf } from './dom.js';

const cell = (/** @type {string|Node} */ content, kind = '') => make('td', { class: kind || null }, content);
const fact = (/** @type {string} */ name, /** @type {string|Node} */ value, bad = false) =>
  [make('dt', {}, name), make('dd', { 'data-tone': bad ? 'bad' : null }, value)];

/** The newest event that was shown. */
let newest = '';

/** Shows an answer of GET /v1/inspect. */
export function showLists(/** @type {any} */ answer) {
  showSlowest(answer.slowest);
  showRecent(answer.recent);
  showListener(answer);
  showInstances(answer.instances);
  const ended = Object.entries(answer.ended).map(([reason, n]) => fact(reason, brief(/** @type {number} */ (n))));
  const failures = Object.entries(answer.faults).filter(([, n]) => n).map(([work, n]) => fact(`failures: ${work}`, brief(/** @type {number} */ (n)), true));
  find('ended').replaceChildren(...(ended.length + failures.length ? [...ended, ...failures] : [fact('none', '')]).flat());
}

function showSlowest(/** @type {any[]} */ readers) {
  const rows = readers.map((reader) => make('tr', {},
    cell(reader.topics.slice(0, 3).join(' ') + (reader.topics.length > 3 ? ` and ${reader.topics.length - 3} more` : ''), 'topic'),
    cell(reader.transport), cell(brief(reader.waiting)), cell(`${brief(reader.lag)}${reader.behind ? ', reads the log' : ''}`)));
  find('slowest').replaceChildren(...(rows.length ? rows : [make('tr', {}, make('td', { class: 'none', colSpan: 4 }, 'All readers have taken everything.'))]));
}

function showRecent(/** @type {any[]} */ events) {
  const known = newest ? events.findIndex((event) => event.id === newest) : 0;
  const rows = events.map((event, i) => make('tr', { 'data-fresh': i < known || (known < 0 && newest) ? '' : null },
    cell(event.time ? timeOf(event.time, true) : '–'), cell(event.event), cell(event.topic, 'topic'), cell(event.id, 'topic'), cell(brief(event.bytes))));
  newest = events[0]?.id ?? '';
  find('recent').replaceChildren(...(rows.length ? rows : [make('tr', {}, make('td', { class: 'none', colSpan: 5 }, 'There are no events in memory.'))]));
}

function showListener(/** @type {any} */ { listener, pool, delivery, readers, version, instance }) {
  find('listener').replaceChildren(...[
    fact('LISTEN', listener.connected ? 'connected' : 'not connected', !listener.connected),
    fact('Last proof', listener.lastProof ? timeOf(listener.lastProof, true) : '–'),
    fact('NOTIFY there and back', `${brief(listener.lagMs)} ms`),
    fact('NOTIFY queue', listener.notifyQueue === undefined ? '–' : `${(100 * listener.notifyQueue).toFixed(1)} % full`, listener.notifyQueue > 0.5),
    fact('Connects, silent, failed', `${listener.connects}, ${listener.deaf}, ${listener.failures}`),
    fact('Pool', `${pool.acquired} of ${pool.max} in use`, pool.acquired === pool.max),
    fact('Head of the log', delivery.head), fact('Slots', brief(readers.slots)), fact('Server', `${instance}, ${version || 'no version'}`),
  ].flat());
}

function showInstances(/** @type {any[]|null} */ instances) {
  if (!instances) return find('instances').replaceChildren(make('li', { 'data-tone': 'bad' }, 'The database does not answer.'));
  find('instances').replaceChildren(...instances.map((one) => make('li', {},
    make('span', {}, one.address + (one.self ? ' (this one)' : '')),
    make('span', { class: 'soft' }, 'since ', one.since ? timeOf(one.since) : '–'))));
}
