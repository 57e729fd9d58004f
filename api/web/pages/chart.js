// A small line chart of the last samples, as SVG.

import { make } from './dom.js';

const SPACE = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 60;

/** A chart of at most two minutes, one sample a second. */
export class Chart {
  static samples = 120;

  #line = shape('path', 'line');
  #area = shape('path', 'area');
  #value = make('b');
  #note = make('small');
  #svg = document.createElementNS(SPACE, 'svg');
  #title;
  #write;

  /**
   * @param {string} title
   * @param {(value: number) => string} write  a value with its unit
   */
  constructor(title, write) {
    this.#title = title;
    this.#write = write;
    this.#svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.#svg.setAttribute('preserveAspectRatio', 'none');
    this.#svg.setAttribute('role', 'img');
    const base = shape('path', 'base');
    base.setAttribute('d', `M0 ${HEIGHT}H${WIDTH}`);
    this.#svg.append(base, this.#area, this.#line);
    this.element = make('div', { class: 'card chart' }, make('p', {}, title, this.#value), this.#svg, this.#note);
  }

  /** @param {number[]} values  the oldest first */
  draw(values) {
    const most = Math.max(...values, 0);
    const last = values.at(-1) ?? 0;
    const from = Chart.samples - values.length;
    const points = values.map((value, i) => {
      const x = ((from + i) / (Chart.samples - 1)) * WIDTH;
      const y = HEIGHT - (most ? (value / most) * (HEIGHT - 3) : 0);
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    const path = points.length > 1 ? `M${points.join('L')}` : '';
    this.#line.setAttribute('d', path);
    const left = points[0]?.split(' ')[0];
    this.#area.setAttribute('d', path && `${path}V${HEIGHT}H${left}Z`);
    this.#value.textContent = this.#write(last);
    this.#note.textContent = `highest ${this.#write(most)}`;
    this.#svg.setAttribute('aria-label', `${this.#title}: ${this.#write(last)}, highest ${this.#write(most)}`);
  }
}

/** @param {string} name @param {string} kind */
function shape(name, kind) {
  const element = document.createElementNS(SPACE, name);
  element.setAttribute('class', kind);
  return element;
}
