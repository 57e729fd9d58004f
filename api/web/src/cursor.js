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
  const [x, y] = [a, b].map((cursor) => /^(\d+)-(\d+)$/.exec(cursor ?? ''));
  return x && y && x[1] === y[1] ? Number(BigInt(x[2]) - BigInt(y[2])) : NaN;
}
