// @ts-check
/**
 * Where each inserted utterance and its doubtful words stand in the edited text. Pure.
 *
 * A mark moves with the text. Text typed at its ends is outside of it; a mark whose text is removed completely is
 * removed, and returns when that edit is undone. An edit inside a doubtful word removes the doubt: the user has seen it.
 *
 * @typedef {import("./lines.js").Position} Position
 * @typedef {Readonly<{start: Position, end: Position}>} Range
 * @typedef {Readonly<{startMs: number, endMs: number, confidence: number}>} Doubt
 * @typedef {Readonly<{recording: string, number: number, startMs: number, endMs: number, offsetMs: number}>} Spoken
 *   recording and number of the utterance; times in the recording; offsetMs is where the recording starts in the sheet
 * @typedef {{start: Position, end: Position, spoken: Spoken, doubts: {start: Position, end: Position, doubt: Doubt}[],
 *   order: number}} Mark  order of its insertion among those of the sheet
 * @typedef {{marks: Mark[], lastInserted: [string, number][]}} Stored
 */
import { compare, isSame, mapPosition, mapPositionPast } from "./lines.js";

const MAX_RECORDINGS = 200; // whose last utterance is known
export const DOUBTFUL_CONFIDENCE = 0.5; // words below it are marked

export class Marks {
  /** @type {Mark[]} */ #marks = []; // in the order in which the utterances were inserted
  #added = 0;
  /** @type {Map<string, number>} */ #lastInserted = new Map(); // number of the last utterance, by recording
  /** @type {WeakMap<object, Mark[]>} */ #removed = new WeakMap(); // by edit

  /** @param {import("./document.js").Document} document */
  constructor(document) {
    document.subscribe((change, edit) => this.#follow(change, edit));
  }

  /** The marks in the order of the text. */
  inOrder() {
    return [...this.#marks].sort((one, other) => compare(one.start, other.start));
  }

  /** The utterance that was inserted last and still has text; undefined if there is none. */
  get last() {
    return this.#marks.at(-1);
  }

  /**
   * Add the mark of an utterance that was inserted now; finals of a recording come in the order of their numbers.
   * @param {Omit<Mark, "order">} mark
   */
  add(mark) {
    this.#added += 1;
    this.#marks.push({ ...mark, order: this.#added });
    const { recording, number } = mark.spoken;
    this.#lastInserted.delete(recording); // the newest recording is the last one
    this.#lastInserted.set(recording, number);
    if (this.#lastInserted.size > MAX_RECORDINGS) this.#lastInserted.delete(this.#lastInserted.keys().next().value ?? "");
  }

  /**
   * Whether the utterance was inserted, even if the user has deleted it since.
   * @param {string} recording
   * @param {number} number
   */
  wasInserted(recording, number) {
    return number <= (this.#lastInserted.get(recording) ?? -1);
  }

  /**
   * Where a recording starts in the time of the sheet: after the recordings before it.
   * @param {string} recording
   */
  offsetOf(recording) {
    const known = this.#marks.find(({ spoken }) => spoken.recording === recording);
    if (known) return known.spoken.offsetMs;
    return Math.max(0, ...this.#marks.map(({ spoken }) => spoken.offsetMs + spoken.endMs));
  }

  /** All doubtful words, for the highlights. */
  doubts() {
    return this.#marks.flatMap((mark) => mark.doubts);
  }

  /**
   * The doubtful word at the position, with its utterance.
   * @param {Position} position
   */
  doubtAt(position) {
    for (const mark of this.#marks) {
      const word = mark.doubts.find(({ start, end }) => compare(start, position) <= 0 && compare(position, end) < 0);
      if (word) return { mark, word };
    }
    return null;
  }

  /** @returns {Stored} */
  toJSON() {
    return { marks: this.#marks, lastInserted: [...this.#lastInserted] };
  }

  /** @param {Stored} stored */
  restore({ marks, lastInserted }) {
    this.#marks = marks.map((mark, index) => ({ ...mark, order: index + 1 }));
    this.#added = marks.length;
    this.#lastInserted = new Map(lastInserted);
  }

  /**
   * @param {import("./lines.js").Change} change
   * @param {object} edit
   */
  #follow(change, edit) {
    const before = this.#marks;
    /** @type {Mark[]} */ const removed = [];
    this.#marks = before.filter((mark) => {
      if (compare(mark.end, change.start) <= 0) return true;
      const isInside = compare(change.start, mark.start) <= 0 && compare(mark.end, change.end) <= 0;
      if (isInside) removed.push(structuredClone(mark));
      return !isInside && mapMark(mark, change);
    });
    const restored = this.#removed.get(edit);
    if (restored) this.#marks = [...this.#marks, ...restored].sort((one, other) => one.order - other.order);
    this.#removed.delete(edit);
    if (removed.length) this.#removed.set(edit, removed);
  }
}

/**
 * Move the mark with the change; return whether text is left in it.
 * @param {Mark} mark
 * @param {import("./lines.js").Change} change
 */
function mapMark(mark, change) {
  mark.doubts = mark.doubts.filter((word) => !isTouched(word, change));
  for (const word of mark.doubts) mapRange(word, change);
  mapRange(mark, change);
  return !isSame(mark.start, mark.end);
}

/**
 * @param {{start: Position, end: Position}} range
 * @param {import("./lines.js").Change} change
 */
function mapRange(range, change) {
  range.start = isSame(range.start, change.start) ? mapPositionPast(range.start, change) : mapPosition(range.start, change);
  range.end = mapPosition(range.end, change);
  if (compare(range.end, range.start) < 0) range.end = range.start;
}

/**
 * @param {Range} range
 * @param {import("./lines.js").Change} change
 */
function isTouched(range, change) {
  if (isSame(change.start, change.end)) return compare(range.start, change.start) < 0 && compare(change.start, range.end) < 0;
  return compare(change.start, range.end) < 0 && compare(range.start, change.end) < 0;
}
