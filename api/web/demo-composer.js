// The form for a new comment or reply.

import { nameOf, part } from './demo-dom.js';
import { TypingSignal } from './demo-typing.js';

/** @typedef {import('./demo-api.js').Comment} Comment */

/** The form of one user. */
export class Composer {
  #form;
  #body;
  #message;
  #replying;
  #send;
  #signal;
  #busy = false;
  /** @type {Comment|null} */
  #parent = null;

  /**
   * @param {HTMLElement} pane
   * @param {string} name  the user's name
   * @param {object} acts
   * @param {(draft: {body: string, parentId?: string}) => Promise<void>} acts.send
   * @param {() => Promise<unknown>} acts.typing
   */
  constructor(pane, name, { send, typing }) {
    this.#form = part(pane, 'composer');
    this.#body = part(pane, 'body');
    this.#message = part(pane, 'message');
    this.#replying = part(pane, 'replying');
    this.#send = send;
    this.#signal = new TypingSignal(typing);
    this.#body.placeholder = `Write as ${name}…`;
    this.#body.setAttribute('aria-label', `Comment as ${name}`);
    part(pane, 'keys').textContent = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘ Enter' : 'Ctrl Enter';
    this.#listen(pane);
  }

  /**
   * Sets the comment that the next post replies to; null makes the next post an ordinary comment.
   * @param {Comment|null} parent
   */
  replyTo(parent) {
    this.#parent = parent;
    this.#replying.hidden = parent === null;
    if (!parent) return;
    part(this.#replying, 'replying-to').textContent = `↪ ${nameOf(parent.author)}: ${parent.body}`;
    this.#body.focus();
  }

  /**
   * Shows an error next to the button. The next keystroke or post removes it.
   * @param {string} text
   */
  say(text) {
    this.#message.textContent = text;
  }

  #listen(pane) {
    this.#body.addEventListener('input', () => {
      this.say('');
      this.#signal.typed(this.#body.value);
    });
    this.#body.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.#form.requestSubmit();
      }
      if (event.key === 'Escape' && this.#parent) this.replyTo(null);
    });
    part(pane, 'no-reply').addEventListener('click', () => {
      this.replyTo(null);
      this.#body.focus();
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#post();
    });
  }

  async #post() {
    const text = this.#body.value;
    const parent = this.#parent;
    if (this.#busy) return;
    if (text.trim() === '') {
      this.#body.focus();
      return;
    }
    this.#setBusy(true);
    this.say('');
    try {
      await this.#send(parent ? { body: text.trim(), parentId: parent.id } : { body: text.trim() });
      this.#sent(text, parent);
    } catch (problem) {
      this.say(problem.message);
    } finally {
      this.#setBusy(false);
    }
  }

  /** Clears the form, unless the user has typed on since the comment was sent. */
  #sent(text, parent) {
    this.#signal.reset();
    if (this.#body.value === text) this.#body.value = '';
    if (parent && this.#parent === parent) this.replyTo(null);
  }

  #setBusy(busy) {
    this.#busy = busy;
    this.#form.setAttribute('aria-busy', String(busy));
  }
}
