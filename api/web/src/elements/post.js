// The id of the post that a page is about.

/** Characters that an id may not have, although an address may. */
const encode = /[\\^`{}]/g;

/**
 * Returns the id of the page: path and query of its canonical address if that is on the same
 * origin, else the path. A canonical address "/" on another page is a mistake of a template.
 * @param {Document} page
 */
export function postOf(page) {
  const here = new URL(page.location.href);
  const link = /** @type {HTMLLinkElement | null} */ (page.querySelector('link[rel~=canonical][href]'));
  let id = here.pathname;
  if (link && URL.canParse(link.href)) {
    const canonical = new URL(link.href);
    const home = canonical.pathname === '/' && !canonical.search && here.pathname !== '/';
    if (canonical.origin === here.origin && !home) id = canonical.pathname + canonical.search;
  }
  return id
    .replace(/\/index\.html(?=\?|$)/, '/')
    .replace(encode, (char) => '%' + char.charCodeAt(0).toString(16))
    .replace(/%[0-9a-f]{2}/gi, (code) => code.toUpperCase());
}

/**
 * Whether the server takes the id: 1 to 512 printable ASCII characters that addresses and
 * identifiers have.
 * @param {string} id
 */
export function isPost(id) {
  return /^[\w.~!$&'()*+,;=:@/?#[\]|%-]{1,512}$/.test(id) && !/^(\.|\.\.|-|\*)$/.test(id);
}
