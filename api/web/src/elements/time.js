// Times as text: "3 min. ago" within a week, then the date.

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const units = [['day', 86400], ['hour', 3600], ['minute', 60]];

/** Writes times in one language. */
export class Clock {
  #ago;
  #date;
  #full;

  /** @param {string} lang */
  constructor(lang) {
    this.#ago = new Intl.RelativeTimeFormat(lang, { numeric: 'auto', style: 'short' });
    this.#date = new Intl.DateTimeFormat(lang, { dateStyle: 'medium' });
    this.#full = new Intl.DateTimeFormat(lang, { dateStyle: 'full', timeStyle: 'short' });
  }

  /**
   * @param {string} time  RFC 3339
   * @returns {string}
   */
  ago(time) {
    const seconds = (Date.now() - Date.parse(time)) / 1000;
    if (seconds >= 7 * 86400) return this.#date.format(Date.parse(time));
    for (const [unit, length] of units) {
      if (seconds >= length) return this.#ago.format(-Math.floor(seconds / length), unit);
    }
    return this.#ago.format(0, 'second'); // also if the server's clock is ahead
  }

  /** @param {string} time */
  full(time) {
    return this.#full.format(Date.parse(time) || 0); // a time that is none must not throw
  }
}
