// Helpers for templates, text and time. Text is always inserted as textContent.

/**
 * Returns a new copy of the only element in `<template id>`.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function stamp(id) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  return /** @type {HTMLElement} */ (template.content.firstElementChild.cloneNode(true));
}

/**
 * Returns the element below root with this data-role. The page's markup has one for every role.
 * @param {ParentNode} root
 * @param {string} role
 * @returns {any}
 */
export function part(root, role) {
  return root.querySelector(`[data-role="${role}"]`);
}

/**
 * Returns a user's name. A user that an INSERT created may have no name; the id is shown then.
 * @param {{id: string, name?: string|null}|null} user
 */
export function nameOf(user) {
  return user?.name || user?.id || 'Someone';
}

/**
 * Returns the letter for an avatar. It takes a whole code point, so that an emoji is not cut.
 * @param {string} name
 */
export function initialOf(name) {
  return (Array.from(name.trim())[0] ?? '?').toUpperCase();
}

/**
 * Compares two ids. An id is an integer in a string and can be too large for a Number.
 * @param {string} a
 * @param {string} b
 */
export function isLater(a, b) {
  return BigInt(a) > BigInt(b);
}

/**
 * Shows an RFC 3339 time as "2 min ago". refreshTimes updates the text later.
 * @param {HTMLTimeElement} element
 * @param {string} time
 */
export function showTime(element, time) {
  element.dateTime = time;
  element.title = new Date(time).toLocaleString();
  element.textContent = ago(time);
}

/** Updates every relative time on the page. */
export function refreshTimes() {
  for (const element of document.querySelectorAll('time')) {
    const text = ago(element.dateTime);
    if (element.textContent !== text) element.textContent = text;
  }
}

/**
 * Keeps the newest line of a scrolling box in view while the box is scrolled to the bottom. It
 * does not scroll the box while the user reads further up.
 */
export class Follower {
  #box;
  #atBottom = true;
  #requested = false;

  /**
   * @param {HTMLElement} box
   * @param {() => void} [onBottom] called when the box is scrolled to the bottom
   */
  constructor(box, onBottom = () => {}) {
    this.#box = box;
    box.addEventListener('scroll', () => {
      this.#atBottom = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
      if (this.#atBottom) onBottom();
    }, { passive: true });
  }

  /** True if the newest line is in view. */
  get atBottom() {
    return this.#atBottom;
  }

  /** Called after a line was added. It scrolls once per frame, so that thousands of lines stay cheap. */
  follow() {
    if (!this.#atBottom || this.#requested) return;
    this.#requested = true;
    requestAnimationFrame(() => {
      this.#requested = false;
      this.#box.scrollTop = this.#box.scrollHeight;
    });
  }

  /** Scrolls to the newest line. */
  jump() {
    this.#atBottom = true;
    this.follow();
  }
}

/** @param {string} time */
function ago(time) {
  // The server's clock can be ahead of the browser's.
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (seconds < 10) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(time).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' });
}
