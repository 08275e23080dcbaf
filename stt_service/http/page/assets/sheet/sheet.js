// @ts-check
/**
 * The editable sheet: document, dictated text, marks, view and input as one object.
 *
 * Every change has three steps: take the selection of the page, change the document, render. Dictated text that arrives
 * while an input method composes a word waits until the composition ends or, on Android, pauses: other input methods insert
 * their text a second time if the page ends the composition.
 *
 * @typedef {import("./lines.js").Position} Position
 * @typedef {import("./dictated-text.js").Utterance} Utterance
 * @typedef {Readonly<{text: string, startMs: number, endMs: number, confidence: number}>} Word
 * @typedef {Readonly<{recording: string, offsetMs: number, text: string, startMs: number, endMs: number, words: Word[]}>} Final
 */
import { difference } from "./blocks.js";
import { DictatedText } from "./dictated-text.js";
import { Document } from "./document.js";
import { sanitizeTranscript } from "./graphemes.js";
import { Input } from "./input.js";
import { endOf, isSame, START } from "./lines.js";
import { Marks } from "./marks.js";
import { View } from "./view.js";
import { doubtfulWords } from "./words.js";

const COMPOSITION_PAUSE_MS = 3000; // then dictated text ends the composition of an Android keyboard, which leaves it open
const MAX_WAITING = 1000; // dictation events during one composition, which the next one ends
const MAX_PARTIAL_CHARACTERS = 10_000; // displayed at most; far more than the words of the longest utterance
const isAndroid = /Android/.test(navigator.userAgent);

/** Dispatches "change" after each change of the text. */
export class Sheet extends EventTarget {
  #root;
  /** @type {(() => void)[]} */ #waiting = []; // changes that arrived during a composition
  #pause = 0;
  #isPointerDown = false;
  isComposing = false;

  /**
   * @param {HTMLElement} root
   * @param {import("./store.js").Content} content
   */
  constructor(root, content) {
    super();
    this.#root = root;
    this.document = new Document(content.text);
    this.document.move(content.cursor);
    this.dictated = new DictatedText(this.document);
    this.marks = new Marks(this.document);
    this.marks.restore(content.marks);
    this.document.subscribe(() => this.dispatchEvent(new Event("change")));
    this.view = new View(root, this.document, this.dictated);
    this.input = new Input(root, this);
    this.#listenToSelection();
  }

  focus() {
    this.#root.focus({ preventScroll: true });
    this.view.showSelection();
  }

  /** What is stored; with the selection that the browser has not reported yet. */
  content() {
    this.readSelection();
    return { text: this.document.text(), cursor: this.document.cursor, marks: this.marks.toJSON() };
  }

  // Edits by the user

  /**
   * Change the document as the user wants, and show the cursor.
   * @param {(document: Document) => void} change
   */
  edit(change) {
    if (this.isComposing) this.endComposition();
    this.readSelection();
    change(this.document);
    this.view.render();
    this.view.revealCursor();
  }

  /** Take the selection of the page; a moved cursor takes the pending utterances with it. */
  readSelection() {
    if (this.isComposing || globalThis.document.activeElement !== this.#root) return;
    const shown = this.view.shownSelection();
    if (!shown || (isSame(shown.anchor, this.document.anchor) && isSame(shown.cursor, this.document.cursor))) return;
    if (isSame(shown.anchor, shown.cursor)) this.document.move(shown.cursor);
    else this.document.select(shown.anchor, shown.cursor);
    this.dictated.moveToCursor();
    this.dispatchEvent(new Event("move"));
  }

  /**
   * The range that an input event will change; null if the browser does not know.
   * @param {InputEvent} event
   */
  targetRange(event) {
    const [range] = event.getTargetRanges();
    const start = range && this.view.positionOf(range.startContainer, range.startOffset);
    const end = range && this.view.positionOf(range.endContainer, range.endOffset);
    return start && end ? { start, end } : null;
  }

  /**
   * Select to the end of the word, row or line as the browser defines it, without moving pending utterances. An empty
   * line has no word; then the line break is selected.
   * @param {"forward" | "backward"} direction
   * @param {string} granularity
   */
  extendSelection(direction, granularity) {
    this.readSelection();
    if (this.document.selection) return;
    getSelection()?.modify("extend", direction, granularity);
    const shown = this.view.shownSelection();
    if (shown) this.document.select(shown.anchor, shown.cursor);
  }

  /**
   * Insert dropped text at a point of the window; a move takes the selection there.
   * @param {number} x
   * @param {number} y
   * @param {string} text
   * @param {boolean} isMove
   */
  drop(x, y, text, isMove) {
    const point = caretAt(x, y);
    const target = point && this.view.positionOf(point.node, point.offset);
    if (!target) return;
    this.edit((document) => {
      if (isMove && document.selection) return document.moveSelection(target);
      document.move(target);
      document.paste(text);
    });
  }

  /** Delete the utterance that was inserted last; an undo step of its own. Return whether there was one. */
  removeLastUtterance() {
    const last = this.marks.last;
    if (last) this.edit((document) => document.replace(last.start, last.end, ""));
    return last !== undefined;
  }

  /**
   * The user has confirmed a doubtful word: it is no longer marked.
   * @param {import("./marks.js").Mark} mark
   * @param {import("./marks.js").Mark["doubts"][number]} word
   */
  keepWord(mark, word) {
    mark.doubts = mark.doubts.filter((each) => each !== word);
    this.view.touch(word.start.line);
    this.view.render();
    this.dispatchEvent(new Event("change"));
  }

  /** Delete all text, as one undo step. */
  clear() {
    this.edit((document) => document.replace(START, document.lines.end, ""));
  }

  // Dictation

  /** @param {Utterance} utterance */
  begin(utterance) {
    this.#dictate(() => this.dictated.begin(utterance));
  }

  /**
   * @param {Utterance} utterance
   * @param {string} text
   */
  partial(utterance, text) {
    this.#dictate(() => this.dictated.setPartial(utterance, sanitizeTranscript(text.slice(0, MAX_PARTIAL_CHARACTERS))));
  }

  /**
   * @param {Utterance} utterance
   * @param {Final} final
   */
  final(utterance, final) {
    this.#dictate(() => this.#insert(utterance, final));
  }

  /** @param {Utterance} utterance */
  discard(utterance) {
    this.#dictate(() => this.dictated.discard(utterance));
  }

  /**
   * A dictation gets no more finals: its last partials become text.
   * @param {number} dictation
   */
  endDictation(dictation) {
    this.#dictate(() => this.dictated.insertPartials(dictation));
  }

  /**
   * @param {Utterance} utterance
   * @param {Final} final
   */
  #insert(utterance, final) {
    const text = sanitizeTranscript(final.text);
    const { at, text: spaced } = this.dictated.insertFinal(utterance, text);
    if (!spaced) return;
    const { recording, offsetMs, startMs, endMs } = final;
    const spoken = { recording, number: utterance.number, startMs, endMs, offsetMs };
    this.marks.add({ start: at, end: endOf(at, spaced), spoken, doubts: doubtfulWords(at, spaced, final.words) });
  }

  /** @param {() => void} change */
  #dictate(change) {
    if (this.isComposing && this.#waiting.length < MAX_WAITING) {
      this.#waiting.push(change);
      return;
    }
    if (this.isComposing) this.endComposition();
    this.readSelection();
    const wasVisible = this.view.isCursorVisible(); // else the user reads another part
    change();
    this.view.render();
    if (wasVisible) this.view.revealCursor();
  }

  // Input methods

  beginComposition() {
    this.readSelection();
    this.isComposing = true;
    this.continueComposition();
  }

  continueComposition() {
    if (!isAndroid) return;
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#waiting.length && this.endComposition(), COMPOSITION_PAUSE_MS);
  }

  /** Take the composed text, then the dictated text that has waited. */
  endComposition() {
    if (!this.isComposing) return;
    clearTimeout(this.#pause);
    this.isComposing = false;
    this.readFromDom();
    for (const change of this.#waiting.splice(0)) change();
    this.view.render();
  }

  /** Make the document's text that of the DOM, which the browser has changed. */
  readFromDom() {
    const shown = this.view.shownText();
    const text = this.document.text();
    if (shown !== text) this.#replaceDifference(text, shown);
    this.view.rebuild();
  }

  /**
   * @param {string} text
   * @param {string} shown
   */
  #replaceDifference(text, shown) {
    const { start, removed, inserted } = difference(text, shown);
    const from = endOf(START, text.slice(0, start));
    this.document.replace(from, endOf(START, text.slice(0, start + removed)), inserted);
  }

  #listenToSelection() {
    const document = globalThis.document;
    const take = () => {
      if (this.isComposing || this.#isPointerDown || document.activeElement !== this.#root) return;
      const before = this.document.cursor;
      this.readSelection();
      if (!isSame(before, this.document.cursor)) this.view.render();
    };
    document.addEventListener("selectionchange", take);
    this.#root.addEventListener("pointerdown", () => (this.#isPointerDown = true));
    for (const name of ["pointerup", "pointercancel"]) {
      document.addEventListener(name, () => {
        this.#isPointerDown = false;
        take();
      });
    }
    this.#root.addEventListener("focus", () => this.#isPointerDown || this.view.showSelection());
  }
}

/**
 * @param {number} x
 * @param {number} y
 */
function caretAt(x, y) {
  const position = document.caretPositionFromPoint?.(x, y);
  if (position) return { node: position.offsetNode, offset: position.offset };
  const range = document.caretRangeFromPoint?.(x, y); // Safari
  return range ? { node: range.startContainer, offset: range.startOffset } : null;
}
