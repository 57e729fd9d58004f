// Builds elements without HTML text, so that a strict Content-Security-Policy and Trusted Types
// allow it.

/**
 * Returns a new element. In `'button.reply'` the second word is the class and the part.
 * @param {string} name
 * @param {Record<string, any>} [props]  functions are listeners, false and null are left out, the others attributes
 * @param {...(Node | string | null | undefined)} children  strings become text nodes
 * @returns {any}
 */
export function h(name, props = {}, ...children) {
  const [tag, ...names] = name.split('.');
  const element = document.createElement(tag);
  if (names.length) {
    element.className = names.join(' ');
    element.setAttribute('part', names.join(' '));
  }
  for (const [key, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(key, value);
    else if (value !== false && value != null) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/**
 * Sets the text of an element. The same text again changes nothing, so it costs no layout.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Sets or removes an attribute, and changes nothing if it has the value already.
 * @param {Element} element
 * @param {string} name
 * @param {string | null} value  null removes the attribute
 */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/**
 * Returns a drawing of 24 by 24 units in the color of the text. Screen readers skip it.
 * @param {string} path  data of an SVG path
 */
export function icon(path) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(document.createElementNS(space, 'path'));
  /** @type {Element} */ (svg.firstChild).setAttribute('d', path);
  return svg;
}

export const heart = 'M12 20 4.3 12.3a4.7 4.7 0 0 1 7.7-5 4.7 4.7 0 0 1 7.7 5Z';
