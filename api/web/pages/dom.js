// Helpers for elements, text and times. Text reaches the page as text nodes only.

/**
 * Makes an element. A property that begins with "on" is a listener, class, data-… and aria-… are
 * attributes, and others are properties.
 * @param {string} name
 * @param {Record<string, any>} [properties]
 * @param {...(Node|string|null|undefined|false)} children
 */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (/^(class|role|for|data-|aria-)/.test(key)) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child || child === ''));
  return element;
}

/** Returns the element of the page with an id. */
export const find = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

const times = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

/** Makes a <time> with the date and time of a timestamp. */
export function timeOf(/** @type {string} */ timestamp, short = false) {
  const at = new Date(timestamp);
  return make('time', { dateTime: timestamp, title: at.toLocaleString() }, (short ? clock : times).format(at));
}

/** Writes a number with at most three digits, such as 12, 3.4 k or 1.2 M. */
export function brief(/** @type {number} */ n) {
  for (const [size, unit] of /** @type {[number, string][]} */ ([[1e9, ' G'], [1e6, ' M'], [1e3, ' k']])) {
    if (n >= size) return (n / size).toFixed(n >= 100 * size ? 0 : 1) + unit;
  }
  return n >= 10 || Number.isInteger(n) ? String(Math.round(n)) : n.toFixed(1);
}
