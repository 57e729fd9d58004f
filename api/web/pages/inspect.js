// The inspector asks for the state of a server each second while the page is visible. Behind a load
// balancer the answers come from several servers: the page shows one of them.

import { Chart } from './chart.js';
import { brief, find, make } from './dom.js';
import { Samples } from './samples.js';
import { Session } from './session.js';
import { showLists } from './inspect-lists.js';

const EVERY = 1000; // ms
const SLOWEST = 5000; // ms, after failures
const PATIENCE = 10_000; // ms

const milliseconds = (/** @type {number} */ ms) => (ms < 1000 ? `${brief(ms)} ms` : `${brief(ms / 1000)} s`);
const aSecond = (/** @type {number} */ n) => `${brief(n)}/s`;

const bytes = (/** @type {number} */ n) => (n < 1000 ? `${brief(n)} B` : `${brief(n)}B`);

/** @type {[string, string, (value: number) => string][]} */
const CHARTS = [
  ['deliveries', 'Deliveries', aSecond], ['events', 'Events', aSecond], ['readers', 'Readers', brief],
  ['latency', 'Latency (95 %)', milliseconds], ['lag', 'Lag of the log', milliseconds], ['bytes', 'Bytes', (n) => `${bytes(n)}/s`],
];

/** @type {Map<string, Samples>} by server */
const servers = new Map();
const charts = CHARTS.map(([key, title, write]) => ({ key, chart: new Chart(title, write) }));
find('charts').append(...charts.map(({ chart }) => chart.element));

let paused = false;
let pause = EVERY;
/** @type {ReturnType<typeof setTimeout>|undefined} */
let timer;
const session = new Session(() => next(0));

find('pause').addEventListener('click', () => {
  paused = !paused;
  find('pause').setAttribute('aria-pressed', String(paused));
  find('pause').textContent = paused ? 'Go on' : 'Pause';
  next(0);
});
document.addEventListener('visibilitychange', () => next(0));
next(0);

/** @param {number} ms */
function next(ms) {
  clearTimeout(timer);
  if (paused || document.hidden) return state(paused ? 'paused' : 'hidden');
  timer = setTimeout(ask, ms);
}

async function ask() {
  try {
    const headers = session.token ? { Authorization: `Bearer ${session.token}` } : undefined;
    const answer = await fetch('v1/inspect', { headers, signal: AbortSignal.timeout(PATIENCE) });
    const body = await answer.json();
    if (answer.status === 401 || answer.status === 403) {
      state('offline', 'signed out');
      return session.ask(body.detail ?? body.title);
    }
    if (!answer.ok) throw new Error(body.detail ?? body.title);
    session.accept();
    take(body);
    state('live');
    pause = EVERY;
  } catch (error) {
    state('offline', `no answer: ${/** @type {Error} */ (error).message}`);
    pause = Math.min(pause * 2, SLOWEST);
  }
  next(pause);
}

/** @param {string} name */
function state(name, text = name) {
  find('state').dataset.state = name;
  if (find('state').textContent !== text) find('state').textContent = text;
}

/** Adds an answer to the samples of its server, and shows it if that is the chosen one. */
function take(/** @type {any} */ answer) {
  let samples = servers.get(answer.instance);
  if (!samples) {
    servers.set(answer.instance, (samples = new Samples()));
    find('server').append(make('option', { value: answer.instance }, answer.instance));
    find('server-label').hidden = servers.size < 2;
  }
  samples.add(answer);
  if (find('server').value !== answer.instance) return;
  showFigures(answer, samples);
  for (const { key, chart } of charts) chart.draw(samples.of(key));
  showLists(answer);
}

/** @param {any} answer @param {Samples} samples */
function showFigures(answer, samples) {
  const { readers, delivery } = answer;
  /** @type {[string, string, (string|false)?][]} */
  const figures = [
    ['Streams', brief(readers.sse)], ['Waiting polls', brief(readers.poll)],
    ['Behind', brief(readers.behind), readers.behind > 0 && 'wait'],
    ['Deliveries', aSecond(samples.last('deliveries'))], ['Events', aSecond(samples.last('events'))],
    ['Latency (95 %)', milliseconds(samples.last('latency'))], ['Unsent', bytes(delivery.unsentBytes)],
    ['Log', delivery.readable ? 'is read' : 'fails', !delivery.readable && 'bad'],
  ];
  find('figures').replaceChildren(...figures.map(([name, value, tone]) =>
    make('div', { 'data-tone': tone || null }, make('dt', {}, name), make('dd', {}, value))));
}
