// A parser of event streams (HTML standard, section 9.2.6).

/** The most characters of one event. Only a server that is not ours sends more. */
const LONGEST = 8 << 20;

/**
 * @typedef {object} Block
 * @property {string} event  its name; "message" if the stream gives none
 * @property {string} data
 * @property {string|null} id  of this event, not of an earlier one
 * @property {string|null} topic  a field that only Tidings sends
 */

/** Splits the bytes of a stream into events. It is used once for each stream. */
export class EventStream {
  #decoder = new TextDecoder();
  #emit;
  #retry;
  #rest = '';
  #size = 0;
  /** @type {Record<string, string>} */
  #fields = {};

  /**
   * @param {(block: Block) => void} emit  called with each event, during push
   * @param {(ms: number) => void} retry  called with the value of each field retry
   */
  constructor(emit, retry) {
    this.#emit = emit;
    this.#retry = retry;
  }

  /**
   * Takes the next bytes. It throws a RangeError if an event is too long.
   * @param {Uint8Array} bytes
   */
  push(bytes) {
    const text = this.#decoder.decode(bytes, { stream: true });
    this.#size += text.length;
    if (this.#size > LONGEST) throw new RangeError('an event is too long');
    // A CR at the end may be the first half of CR LF.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  /** @param {string} line */
  #line(line) {
    if (line === '') return this.#dispatch();
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (name === 'data' && 'data' in this.#fields) this.#fields.data += '\n' + value;
    else if (name === 'retry' && /^\d+$/.test(value)) this.#retry(Number(value));
    else if (name && !(name === 'id' && value.includes('\0'))) this.#fields[name] = value;
  }

  #dispatch() {
    const { event, data, id, topic } = this.#fields;
    this.#fields = {};
    this.#size = this.#rest.length;
    if (data !== undefined) this.#emit({ event: event || 'message', data, id: id || null, topic: topic ?? null });
  }
}
