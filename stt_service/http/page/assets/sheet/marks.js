// @ts-check
/**
 * Where each inserted utterance and its doubtful words stand in the edited text. Pure.
 *
 * A mark moves with the text. Text typed at its ends is outside of it; a mark whose text is removed completely is
 * removed. An edit inside a doubtful word removes the doubt: the user has seen it. Undo of a step restores the marks that
 * the step has cut or removed, with their doubts, except those that the user has confirmed; redo restores those of its
 * utterances.
 *
 * @typedef {import("./lines.js").Position} Position
 * @typedef {Readonly<{start: Position, end: Position}>} Range
 * @typedef {Readonly<{startMs: number, endMs: number, confidence: number}>} Doubt
 * @typedef {Readonly<{recording: string, number: number, startMs: number, endMs: number, startedAt: number}>} Spoken
 *   recording and number of the utterance; times in the recording; startedAt of the recording, as of Date.now()
 * @typedef {{start: Position, end: Position, spoken: Spoken, doubts: {start: Position, end: Position, doubt: Doubt}[],
 *   order: number}} Mark  order of its insertion among those of the sheet
 * @typedef {{edit: Edit, marks: Mark[]}} Saved  marks as they were before the step, and what the step has changed
 * @typedef {import("./history.js").Edit} Edit
 * @typedef {{marks: Mark[], lastInserted: [string, number][]}} Stored
 */
import { compare, endOf, isSame, mapPosition, mapPositionPast } from "./lines.js";

// Recordings whose last utterance is known: more than the journal has, as it would insert those of others again.
const MAX_RECORDINGS = 10_000;
export const DOUBTFUL_CONFIDENCE = 0.5; // words below it are marked

export class Marks {
  /** @type {Mark[]} */ #marks = []; // in the order in which the utterances were inserted
  #added = 0;
  /** @type {Map<string, number>} */ #lastInserted = new Map(); // number of the last utterance, by recording
  /** @type {WeakMap<object, Saved>} */ #saved = new WeakMap(); // by step
  /** @type {WeakSet<Doubt>} */ #confirmed = new WeakSet();

  /** @param {import("./document.js").Document} document */
  constructor(document) {
    document.subscribe((change, edit, how) => this.#follow(change, edit, how));
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
    if (this.#lastInserted.size > MAX_RECORDINGS)
      this.#lastInserted.delete(this.#lastInserted.keys().next().value ?? "");
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
   * Forget which utterances of other recordings were inserted: they are deleted, and cannot be inserted again.
   * @param {ReadonlySet<string>} recordings
   */
  keepRecordings(recordings) {
    for (const id of this.#lastInserted.keys()) if (!recordings.has(id)) this.#lastInserted.delete(id);
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

  /**
   * The user has seen the doubtful word and keeps it.
   * @param {Mark} mark
   * @param {Mark["doubts"][number]} word
   */
  confirm(mark, word) {
    mark.doubts = mark.doubts.filter((each) => each !== word);
    this.#confirmed.add(word.doubt);
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
   * @param {Edit} edit
   * @param {import("./document.js").How} how
   */
  #follow(change, edit, how) {
    const saved = this.#saved.get(edit.step);
    const cut = this.#marks.filter((mark) => isTouched(mark, change)).map(copyOf);
    if (how === "done") this.#saveBefore(edit, cut);
    else this.#saved.set(edit.step, { edit, marks: cut });
    this.#marks = this.#marks.filter((mark) => compare(mark.end, change.start) <= 0 || mapMark(mark, change));
    if (how !== "done" && saved) this.#restore(saved.marks);
  }

  /**
   * Save marks that a step cuts, as they were before the step.
   * @param {Edit} edit
   * @param {Mark[]} cut by the last change of the step
   */
  #saveBefore(edit, cut) {
    const earlier = this.#saved.get(edit.step); // changes of the step
    if (earlier) for (const mark of cut) mapMark(mark, reversed(earlier.edit));
    const known = new Set(earlier?.marks.map(({ order }) => order));
    const marks = [...(earlier?.marks ?? []), ...cut.filter(({ order }) => !known.has(order))];
    this.#saved.set(edit.step, { edit, marks });
  }

  /** @param {Mark[]} saved */
  #restore(saved) {
    const orders = new Set(saved.map(({ order }) => order));
    for (const mark of saved) mark.doubts = mark.doubts.filter(({ doubt }) => !this.#confirmed.has(doubt));
    this.#marks = [...this.#marks.filter(({ order }) => !orders.has(order)), ...saved];
    this.#marks.sort((one, other) => one.order - other.order);
  }
}

/**
 * A copy that can be moved; the doubts themselves are the same objects.
 * @param {Mark} mark
 * @returns {Mark}
 */
const copyOf = (mark) => ({ ...mark, doubts: mark.doubts.map((word) => ({ ...word })) });

/**
 * The change that undoes the edit.
 * @param {Edit} edit
 * @returns {import("./lines.js").Change}
 */
const reversed = ({ start, removed, inserted }) => ({
  start,
  end: endOf(start, inserted),
  newEnd: endOf(start, removed),
});

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
  range.start = isSame(range.start, change.start)
    ? mapPositionPast(range.start, change)
    : mapPosition(range.start, change);
  range.end = mapPosition(range.end, change);
  if (compare(range.end, range.start) < 0) range.end = range.start;
}

/**
 * Whether the change is inside of the range or overlaps it.
 * @param {Range} range
 * @param {import("./lines.js").Change} change
 */
const isTouched = (range, change) => compare(change.start, range.end) < 0 && compare(range.start, change.end) < 0;
