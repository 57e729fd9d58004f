// The picture of a user, or the first letter of the name on a color of the user's own.

import { h } from './dom.js';

/**
 * Fills the place of a picture. A page whose policy forbids the picture shows the letter.
 * @param {HTMLElement} place
 * @param {{id: string, avatarUrl?: string | null} | null} user
 * @param {string} name
 */
export function avatar(place, user, name) {
  place.replaceChildren(user ? firstOf(name) : '');
  place.setAttribute('aria-hidden', 'true');
  if (!user) return;
  place.style.setProperty('--hue', String(hueOf(user.id)));
  if (!/^https?:/.test(user.avatarUrl ?? '')) return;
  const image = h('img', { alt: '', loading: 'lazy', referrerpolicy: 'no-referrer', width: 80, height: 80 });
  image.addEventListener('error', () => image.remove());
  image.src = user.avatarUrl;
  place.append(image);
}

/** Returns the first code point, in upper case. @param {string} name */
function firstOf(name) {
  return (Array.from(name.trim())[0] ?? '?').toUpperCase();
}

/** @param {string} id */
function hueOf(id) {
  let hash = 7;
  for (const char of id) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return hash;
}
