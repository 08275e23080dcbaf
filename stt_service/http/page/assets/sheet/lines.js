// @ts-check
/**
 * The text as a list of lines, and its only modification: a replacement. Pure.
 *
 * The rules are those of stt_tui/lines.py; lines end with LF.
 *
 * @typedef {Readonly<{line: number, offset: number}>} Position  before the code unit `offset` of a line
 * @typedef {Readonly<{start: Position, end: Position, newEnd: Position}>} Change  the text from start to end was
 *   replaced by a text that ends at newEnd
 */

/** @type {Position} */
export const START = Object.freeze({ line: 0, offset: 0 });

/**
 * Negative, zero or positive, as for Array.sort.
 * @param {Position} one
 * @param {Position} other
 */
export const compare = (one, other) => one.line - other.line || one.offset - other.offset;

/**
 * @param {Position} one
 * @param {Position} other
 */
export const isSame = (one, other) => one.line === other.line && one.offset === other.offset;

export class Lines {
  /** @param {string} text */
  constructor(text = "") {
    this.lines = text.split("\n");
  }

  get length() {
    return this.lines.length;
  }

  /** @param {number} line */
  at(line) {
    return this.lines[line];
  }

  /** @returns {Position} */
  get end() {
    const line = this.lines.length - 1;
    return { line, offset: this.lines[line].length };
  }

  text() {
    return this.lines.join("\n");
  }

  /**
   * @param {Position} start
   * @param {Position} end
   */
  between(start, end) {
    if (start.line === end.line) return this.lines[start.line].slice(start.offset, end.offset);
    const first = this.lines[start.line].slice(start.offset);
    const last = this.lines[end.line].slice(0, end.offset);
    return [first, ...this.lines.slice(start.line + 1, end.line), last].join("\n");
  }

  /**
   * @param {Position} start
   * @param {Position} end
   * @param {string} text
   * @returns {Change}
   */
  replace(start, end, text) {
    const replaced = text.split("\n");
    replaced[0] = this.lines[start.line].slice(0, start.offset) + replaced[0];
    replaced[replaced.length - 1] += this.lines[end.line].slice(end.offset);
    if (start.line === end.line && replaced.length === 1) this.lines[start.line] = replaced[0];
    else this.lines = this.lines.slice(0, start.line).concat(replaced, this.lines.slice(end.line + 1));
    return { start, end, newEnd: endOf(start, text) };
  }

  /**
   * The position, or the nearest valid one.
   * @param {Position} position
   * @returns {Position}
   */
  clamp(position) {
    const line = Math.min(Math.max(position.line, 0), this.lines.length - 1);
    return { line, offset: Math.min(Math.max(position.offset, 0), this.lines[line].length) };
  }
}

/**
 * The end of a text inserted at the start.
 * @param {Position} start
 * @param {string} text
 * @returns {Position}
 */
export function endOf(start, text) {
  const last = text.lastIndexOf("\n");
  if (last < 0) return { line: start.line, offset: start.offset + text.length };
  return { line: start.line + text.split("\n").length - 1, offset: text.length - last - 1 };
}

/**
 * The position after the change; it stays before a text inserted at it.
 * @param {Position} position
 * @param {Change} change
 * @returns {Position}
 */
export function mapPosition(position, change) {
  const { start, end, newEnd } = change;
  if (compare(position, start) <= 0) return position;
  if (compare(position, end) < 0) return start;
  if (position.line > end.line) {
    const moved = newEnd.line - end.line;
    return moved ? { line: position.line + moved, offset: position.offset } : position;
  }
  return { line: newEnd.line, offset: position.offset - end.offset + newEnd.offset };
}

/**
 * The position after the change; it moves past a text inserted at it.
 * @param {Position} position
 * @param {Change} change
 * @returns {Position}
 */
export function mapPositionPast(position, change) {
  const isInside = compare(change.start, position) < 0 && compare(position, change.end) < 0;
  return isInside || isSame(position, change.start) ? change.newEnd : mapPosition(position, change);
}
