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

/**
 * Returns a function that takes the bytes of one stream, in pieces. It throws a RangeError if an event is too long.
 * @param {(block: Block) => void} emit  called with each event
 * @param {(ms: number) => void} retry  called with the value of each field retry
 * @returns {(bytes: Uint8Array) => void}
 */
export function eventStream(emit, retry) {
  const decoder = new TextDecoder();
  let rest = '';
  let size = 0;
  /** @type {Record<string, string>} */
  let fields = {};

  const dispatch = () => {
    const { event, data, id, topic } = fields;
    fields = {};
    size = rest.length;
    if (data !== undefined) emit({ event: event || 'message', data, id: id || null, topic: topic ?? null });
  };
  return (bytes) => {
    const text = decoder.decode(bytes, { stream: true });
    size += text.length;
    if (size > LONGEST) throw new RangeError('an event is too long');
    // A CR at the end may be the first half of CR LF.
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      if (line === '') dispatch();
      else if (name === 'data' && 'data' in fields) fields.data += '\n' + value;
      else if (name === 'retry' && /^\d+$/.test(value)) retry(Number(value));
      else if (name && !(name === 'id' && value.includes('\0'))) fields[name] = value;
    }
  };
}
