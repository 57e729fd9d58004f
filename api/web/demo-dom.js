// Small helpers for templates, text and time. Text always goes in as textContent.

/**
 * A fresh copy of the one element inside `<template id>`.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function stamp(id) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  return /** @type {HTMLElement} */ (template.content.firstElementChild.cloneNode(true));
}

/**
 * The element with this data-role under root. The page's own markup promises it is there.
 * @param {ParentNode} root
 * @param {string} role
 * @returns {any}
 */
export function part(root, role) {
  return root.querySelector(`[data-role="${role}"]`);
}

/**
 * What to call a user: someone first seen in an INSERT may have no name.
 * @param {{id: string, name?: string|null}|null} user
 */
export function nameOf(user) {
  return user?.name || user?.id || 'Someone';
}

/**
 * The letter for an avatar; whole code points, so that an emoji stays one.
 * @param {string} name
 */
export function initialOf(name) {
  return (Array.from(name.trim())[0] ?? '?').toUpperCase();
}

/**
 * Shows an RFC 3339 time as "2 min ago", to be kept true by refreshTimes.
 * @param {HTMLTimeElement} element
 * @param {string} time
 */
export function showTime(element, time) {
  element.dateTime = time;
  element.title = new Date(time).toLocaleString();
  element.textContent = ago(time);
}

/** Brings every relative time on the page up to date. */
export function refreshTimes() {
  for (const element of document.querySelectorAll('time')) {
    const text = ago(element.dateTime);
    if (element.textContent !== text) element.textContent = text;
  }
}

/**
 * Keeps the newest line of a scrolling box in view while its reader is at the bottom, and leaves
 * the box alone while they read further up.
 */
export class Follower {
  #box;
  #atBottom = true;
  #asked = false;

  /**
   * @param {HTMLElement} box
   * @param {() => void} [onBottom] called when the reader gets to the bottom
   */
  constructor(box, onBottom = () => {}) {
    this.#box = box;
    box.addEventListener('scroll', () => {
      this.#atBottom = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
      if (this.#atBottom) onBottom();
    }, { passive: true });
  }

  /** Whether the newest line is in view. */
  get atBottom() {
    return this.#atBottom;
  }

  /** Something was added. Measuring once a frame keeps a burst of thousands cheap. */
  follow() {
    if (!this.#atBottom || this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#box.scrollTop = this.#box.scrollHeight;
    });
  }

  /** Goes to the newest line, wherever the reader is. */
  jump() {
    this.#atBottom = true;
    this.follow();
  }
}

/** @param {string} time */
function ago(time) {
  // A server's clock may be a little ahead of the browser's.
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (seconds < 10) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(time).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' });
}
