// The form for a new comment, a reply, or another text of a comment.

import { h, setAttribute, setText } from './dom.js';

/** The server's limit of a comment, in Unicode code points. */
const MAX = 5000;

/** A form with one text. */
export class Composer {
  #host;
  #send;
  #text;
  #note;
  #hint;
  #button;
  #busy = false;

  /**
   * @param {any} host  the element
   * @param {object} options
   * @param {string} options.label  the name of the text for screen readers, also shown in the empty text
   * @param {string} options.button
   * @param {(text: string) => Promise<unknown> | void} options.send  a rejection is shown, and the text stays
   * @param {() => void} [options.cancel]  called by the button Cancel and the key Escape
   * @param {string} [options.text]
   */
  constructor(host, { label, button, send, cancel, text = '' }) {
    this.#host = host;
    this.#send = send;
    this.#text = h('textarea.text', { rows: 1, 'aria-label': label, placeholder: label, maxlength: 2 * MAX, dir: 'auto' });
    this.#text.value = text;
    this.#note = h('p.note', { id: 'n' + ++count });
    this.#hint = h('span.hint', {}, keys());
    this.#button = h('button.primary', {}, button);
    const no = cancel && h('button.quiet', { type: 'button', click: cancel }, host.words.say('cancel'));
    this.node = h('form.composer', { submit: (/** @type {Event} */ event) => this.#submit(event) },
      this.#text, this.#note, h('div.foot', {}, this.#hint, no, this.#button));
    this.#text.addEventListener('input', () => this.#typed());
    this.#text.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.#submit(event);
      if (event.key === 'Escape' && cancel && !event.isComposing) {
        event.preventDefault();
        cancel();
      }
    });
    this.#typed(false);
  }

  /** Whether the user has written something that is not sent. */
  get dirty() { return this.#text.value.trim() !== ''; }

  focus() {
    this.#text.focus();
    this.#text.setSelectionRange(this.#text.value.length, this.#text.value.length);
  }

  #typed(signal = true) {
    const length = [...this.#text.value.trim()].length;
    this.node.classList.toggle('filled', length > 0);
    const { words } = this.#host;
    setText(this.#hint, length > MAX ? words.say('tooLong', { n: length - MAX })
      : length > MAX - 300 ? words.say('left', { n: MAX - length }) : keys());
    this.#say('');
    if (signal && length) this.#host.thread?.signalTyping();
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    const text = this.#text.value.trim();
    if (!text || [...text].length > MAX || this.#busy) return this.focus();
    this.#busy = true;
    setAttribute(this.node, 'aria-busy', 'true');
    this.#say('');
    try {
      const sent = this.#send(text);
      if (sent) await sent;
      this.#text.value = '';
      this.#typed(false);
    } catch (problem) {
      this.#say(this.#host.words.problem(problem));
    } finally {
      this.#busy = false;
      setAttribute(this.node, 'aria-busy', null);
    }
  }

  /** @param {string} text  an error, or nothing */
  #say(text) {
    setText(this.#note, text);
    setAttribute(this.#text, 'aria-describedby', text && this.#note.id);
    setAttribute(this.#text, 'aria-invalid', text ? 'true' : null);
    if (text) this.#host.announce(text);
  }
}

let count = 0;

function keys() {
  return /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘ ↵' : 'Ctrl ↵';
}
