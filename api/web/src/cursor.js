// Cursors: places in the log of the server, written <epoch>-<position>.

/**
 * Compares two cursors. The result is negative if a is before b, 0 if both are the same place,
 * positive if a is after b, and NaN if they belong to different histories or one is none. With
 * NaN every comparison is false.
 * @param {string|null|undefined} a
 * @param {string|null|undefined} b
 * @returns {number}
 */
export function compare(a, b) {
  const [x, y] = [parse(a), parse(b)];
  if (!x || !y || x.epoch !== y.epoch) return NaN;
  return x.position < y.position ? -1 : Number(x.position > y.position);
}

/** @param {string|null|undefined} cursor */
function parse(cursor) {
  const parts = /^(\d+)-(\d+)$/.exec(cursor ?? '');
  return parts && { epoch: parts[1], position: BigInt(parts[2]) };
}
