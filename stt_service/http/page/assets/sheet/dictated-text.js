// @ts-check
/**
 * Insertion of partials and finals into a text that is edited at the same time. Pure: no audio, no clock, no DOM.
 *
 * States and invariants are those of stt_tui/dictated_text.py, and tests/cases/placement.json has the cases that both
 * must pass: an utterance keeps the place where it began, typed text follows it, moving the cursor moves all pending
 * utterances to it, a final is never inserted inside a word and replaces nothing.
 *
 * @typedef {import("./lines.js").Position} Position
 * @typedef {Readonly<{dictation: number, number: number}>} Utterance  when its dictation began, as of Date.now(), and its
 *   number there
 * @typedef {Readonly<{at: Position, text: string}>} Preedit  a partial as it would be inserted
 * @typedef {{utterance: Utterance, position: Position, partial: string | null}} Pending
 */
import { boundaryAt, isWord } from "./graphemes.js";
import { compare, mapPosition, mapPositionPast } from "./lines.js";
import { isSpaceless, withSpacing } from "./spacing.js";

const REST = Number.MAX_SAFE_INTEGER; // number of the place of all further utterances of a dictation
const CONTEXT_CHARACTERS = 64; // read on each side of the position to choose spaces and capitals

export class DictatedText {
  #document;
  /** @type {Pending[]} */ #pending = []; // bounded by the server's limit of pending utterances
  /** @type {Utterance | null} */ #inserting = null;

  /** @param {import("./document.js").Document} document */
  constructor(document) {
    this.#document = document;
    document.subscribe((change) => this.#mapPositions(change));
  }

  /**
   * Take over the pending utterances of another text that is the same.
   * @param {DictatedText} other
   */
  copyPending(other) {
    this.#pending = other.#pending.map((each) => ({ ...each }));
  }

  /**
   * Give a new utterance the place of its dictation, or the position of the cursor.
   * @param {Utterance} utterance
   * @returns {Pending}
   */
  begin(utterance) {
    const known = this.#find(utterance);
    if (known) return known;
    const position = this.#find({ ...utterance, number: REST })?.position ?? this.#document.cursor;
    const pending = { utterance, position, partial: null };
    this.#pending.push(pending);
    return pending;
  }

  /**
   * Keep the position of the cursor for the further utterances of a dictation that was recorded before the text that
   * follows; until `insertPartials`.
   * @param {number} dictation
   */
  keepPlace(dictation) {
    this.begin({ dictation, number: REST });
  }

  /**
   * Set the text that is displayed for the utterance until it is final.
   * @param {Utterance} utterance
   * @param {string} text
   */
  setPartial(utterance, text) {
    this.begin(utterance).partial = text;
  }

  /**
   * Insert the final text; return its place and the text with its spacing.
   * @param {Utterance} utterance
   * @param {string} text
   * @returns {Preedit}
   */
  insertFinal(utterance, text) {
    const at = this.#afterWord(this.begin(utterance).position);
    this.#keepOrder(utterance, at);
    const spaced = this.#spaced(at, text, "");
    this.#inserting = utterance;
    if (spaced) this.#document.insert(at, spaced);
    this.#inserting = null;
    this.discard(utterance);
    return { at, text: spaced };
  }

  /**
   * Remove an utterance that gets no final.
   * @param {Utterance} utterance
   */
  discard(utterance) {
    this.#pending = this.#pending.filter((each) => compareUtterances(each.utterance, utterance) !== 0);
  }

  /**
   * Insert the last partials of a dictation that gets no more finals; return how many had text.
   * @param {number} dictation
   */
  insertPartials(dictation) {
    const ended = this.#pending.filter((each) => each.utterance.dictation === dictation);
    return ended.filter((each) => this.insertFinal(each.utterance, each.partial ?? "").text).length;
  }

  /** Move all pending utterances to the cursor. */
  moveToCursor() {
    for (const each of this.#pending) each.position = this.#document.cursor;
  }

  /**
   * The partials as they would be inserted, in the order of the text.
   * @returns {Preedit[]}
   */
  preedits() {
    /** @type {Preedit[]} */ const preedits = [];
    const shown = this.#pending.filter((each) => each.partial !== null);
    for (const each of shown.sort((one, other) => compareUtterances(one.utterance, other.utterance))) {
      const at = this.#afterWord(each.position);
      const before = preedits.filter((preedit) => compare(preedit.at, at) === 0).map((preedit) => preedit.text);
      const text = this.#spaced(at, each.partial ?? "", before.join(""));
      if (text) preedits.push({ at, text });
    }
    return preedits.sort((one, other) => compare(one.at, other.at));
  }

  /** @param {Utterance} utterance */
  #find(utterance) {
    return this.#pending.find((each) => compareUtterances(each.utterance, utterance) === 0);
  }

  /**
   * Move later utterances inside the same word to the end of the word, so that they follow this one.
   * @param {Utterance} utterance
   * @param {Position} position
   */
  #keepOrder(utterance, position) {
    const from = this.begin(utterance).position;
    for (const each of this.#pending) {
      const isInWord = compare(from, each.position) <= 0 && compare(each.position, position) < 0;
      if (isInWord && compareUtterances(each.utterance, utterance) > 0) each.position = position;
    }
  }

  /**
   * @param {Position} position
   * @param {string} text
   * @param {string} preeditsBefore
   */
  #spaced(position, text, preeditsBefore) {
    const line = this.#document.lines.at(position.line);
    const before = line.slice(Math.max(0, position.offset - CONTEXT_CHARACTERS), position.offset) + preeditsBefore;
    return withSpacing(before, text, line.slice(position.offset, position.offset + CONTEXT_CHARACTERS));
  }

  /**
   * The position, or the end of the word that it is inside.
   * @param {Position} position
   * @returns {Position}
   */
  #afterWord(position) {
    const clamped = this.#document.lines.clamp(position);
    const text = this.#document.lines.at(clamped.line);
    let { offset } = clamped;
    const isAfterWord = offset > 0 && continuesWord(text, offset - 1);
    while (isAfterWord && continuesWord(text, offset)) offset += 1;
    return { line: clamped.line, offset: boundaryAt(text, offset) };
  }

  /**
   * Map the positions through the change: they stay before inserted text, but after an earlier utterance.
   * @param {import("./lines.js").Change} change
   */
  #mapPositions(change) {
    for (const each of this.#pending) {
      const isLater = this.#inserting !== null && compareUtterances(this.#inserting, each.utterance) < 0;
      each.position = isLater ? mapPositionPast(each.position, change) : mapPosition(each.position, change);
    }
  }
}

/**
 * Whether the character belongs to a word that can be split; Chinese has no spaces between words.
 * @param {string} text
 * @param {number} offset
 */
const continuesWord = (text, offset) =>
  offset < text.length && isWord(text, offset) && !isSpaceless(text.charAt(offset));

/**
 * @param {Utterance} one
 * @param {Utterance} other
 */
function compareUtterances(one, other) {
  return one.dictation - other.dictation || one.number - other.number;
}
