// The elements <tidings-comments>, <tidings-count> and <tidings-bell>, with the client.

import { avatar } from './elements/avatar.js';
import { Base } from './elements/base.js';
import { TidingsComments } from './elements/comments.js';
import { TidingsCount } from './elements/count.js';
import { h, icon, setAttribute, setText } from './elements/dom.js';
import { languages } from './elements/words.js';

export * from './whole.js';
export { TidingsComments, TidingsCount };

Object.assign(languages, {
  ar: () => import('./lang/ar.js'),
  de: () => import('./lang/de.js'),
  es: () => import('./lang/es.js'),
  fr: () => import('./lang/fr.js'),
  zh: () => import('./lang/zh.js'),
});

/**
 * Defines an element, unless another version of this script on the page has defined it.
 * @param {string} name
 * @param {CustomElementConstructor} element
 */
function define(name, element) {
  if (!customElements.get(name)) customElements.define(name, element);
}

define('tidings-comments', TidingsComments);
define('tidings-count', TidingsCount);

/** Defines <tidings-bell>, which few pages have. Its file is loaded by the first one. */
export async function defineBell() {
  const { default: bellOf } = await import('./bell.js');
  define('tidings-bell', bellOf({ Base, avatar, h, icon, setAttribute, setText }));
}

/** Stands for the element until its file is loaded: the name can be defined only once. */
function awaitBell() {
  const seen = () => document.querySelector('tidings-bell') && (watch.disconnect(), defineBell());
  const watch = new MutationObserver(seen);
  watch.observe(document, { childList: true, subtree: true });
  seen();
}

awaitBell();
