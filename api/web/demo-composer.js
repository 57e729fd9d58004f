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
   * The comment that was sent last, until the server has accepted it. Sent again unchanged, it has
   * the same key, so that the server creates it once, although its first answer was lost.
   * @type {{body: string, parentId?: string, key: string}|null}
   */
  #sending = null;

  /**
   * @param {HTMLElement} pane
   * @param {string} name  the user's name
   * @param {object} acts
   * @param {(draft: {body: string, parentId?: string}, key: string) => Promise<void>} acts.send
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
      const { key, ...draft } = this.#draft(text.trim(), parent?.id);
      await this.#send(draft, key);
      this.#sent(text, parent);
    } catch (problem) {
      this.say(problem.code === 'unreachable'
        ? `${problem.message} Press Post again: the comment appears once.`
        : problem.message);
    } finally {
      this.#setBusy(false);
    }
  }

  /** Returns the draft with its key, which is that of #sending if nothing has changed. */
  #draft(body, parentId) {
    if (this.#sending?.body !== body || this.#sending.parentId !== parentId) {
      this.#sending = { body, parentId, key: newKey() };
    }
    return this.#sending;
  }

  /** Clears the form, unless the user has typed on since the comment was sent. */
  #sent(text, parent) {
    this.#signal.reset();
    this.#sending = null;
    if (this.#body.value === text) this.#body.value = '';
    if (parent && this.#parent === parent) this.replyTo(null);
  }

  #setBusy(busy) {
    this.#busy = busy;
    this.#form.setAttribute('aria-busy', String(busy));
  }
}

/** Returns a random key. Over plain HTTP from another machine there is no crypto.randomUUID. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
