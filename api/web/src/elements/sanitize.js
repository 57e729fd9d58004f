// Puts the HTML of a comment into the page. The server's HTML is safe already; this file does not
// rely on that, and keeps the same list as the server's package markdown.

const allowed = {
  p: [], br: [], hr: [], strong: [], em: [], del: [], pre: [], blockquote: [], ul: [], li: [],
  ol: ['start'], code: ['class'], a: ['href', 'rel'], img: ['src', 'alt', 'loading', 'referrerpolicy'],
};
const safe = /^(https?|mailto):/i;

/** @type {{createHTML: (html: string) => any} | null | undefined} */
let policy;

/**
 * Shows the HTML of a comment, or its text where a policy of the page forbids HTML.
 * @param {Element} element
 * @param {string} html
 * @param {string} text
 */
export function showHTML(element, html, text) {
  const template = element.ownerDocument.createElement('template');
  try {
    parse(template, html);
  } catch {
    element.textContent = text;
    return;
  }
  clean(template.content);
  element.replaceChildren(template.content);
}

/**
 * Parses HTML into a template, whose document runs no script and loads nothing.
 * @param {any} template
 * @param {string} html
 */
function parse(template, html) {
  if (template.setHTML) {
    const elements = Object.entries(allowed).map(([name, attributes]) => ({ name, attributes }));
    template.setHTML(html, { sanitizer: { elements } });
    return;
  }
  const types = /** @type {any} */ (globalThis).trustedTypes;
  if (policy === undefined) {
    policy = types ? types.createPolicy('tidings', { createHTML: (/** @type {string} */ s) => s }) : null;
  }
  template.innerHTML = policy ? policy.createHTML(html) : html;
}

/** @param {DocumentFragment} fragment */
function clean(fragment) {
  for (const element of fragment.querySelectorAll('*')) {
    const attributes = Object.hasOwn(allowed, element.localName) && element.namespaceURI?.endsWith('xhtml')
      ? /** @type {Record<string, string[]>} */ (allowed)[element.localName] : null;
    if (!attributes) {
      element.remove();
      continue;
    }
    for (const { name, value } of [...element.attributes]) {
      const address = name === 'href' || name === 'src';
      if (!attributes.includes(name) || (address && !safe.test(value))) element.removeAttribute(name);
    }
  }
}
