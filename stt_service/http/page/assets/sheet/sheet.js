// @ts-check
/**
 * The editable sheet: document, dictated text, marks, view and input as one object.
 *
 * Every change has three steps: take the selection of the page, change the document, render. Who may change the DOM:
 *
 * | input | no composition | composition |
 * |---|---|---|
 * | edit (`beforeinput`, key, button, clipboard, drop) | canceled, done in the document, rendered | `beforeinput`: by the browser; others end the composition first |
 * | `input`: the browser has changed the DOM anyway | taken from the DOM, rendered | left in the DOM, but part of `content` |
 * | dictation event | done in the document, rendered | waits, but part of `content` |
 * | selection of the page | taken from the page | left to the browser |
 * | end of the composition | none | text and selection taken from the DOM, then what has waited; rendered |
 *
 * A composition ends by `compositionend`, by an edit, and as composition.js has it.
 *
 * @typedef {import("./lines.js").Position} Position
 * @typedef {import("./dictated-text.js").Utterance} Utterance
 * @typedef {Readonly<{text: string, startMs: number, endMs: number, confidence: number}>} Word
 * @typedef {Readonly<{recording: string, text: string, startMs: number, endMs: number, words: Word[]}>} Final
 */
import { Composition, takeShown } from "./composition.js";
import { Input } from "./input.js";
import { isSame, START } from "./lines.js";
import { Model } from "./model.js";
import { View } from "./view.js";

/**
 * Dispatches "change" after each change of the text, and "leftOut" (detail: number of characters) if a pasted text is
 * too long.
 */
export class Sheet extends EventTarget {
  #root;
  #model;
  #composition = new Composition(() => this.endComposition());
  #isPointerDown = false;

  /**
   * @param {HTMLElement} root
   * @param {import("./store.js").Content} content
   */
  constructor(root, content) {
    super();
    this.#root = root;
    this.#model = new Model(content);
    this.document = this.#model.document;
    this.dictated = this.#model.dictated;
    this.marks = this.#model.marks;
    this.document.subscribe(() => this.dispatchEvent(new Event("change")));
    this.view = new View(root, this.document, this.dictated);
    this.input = new Input(root, this);
    this.#listenToSelection();
  }

  focus() {
    this.#root.focus({ preventScroll: true });
    this.view.showSelection();
  }

  get isComposing() {
    return this.#composition.isOpen;
  }

  /**
   * What is stored: with the selection that the browser has not reported yet, with composed text and what waits for it.
   */
  content() {
    this.readSelection();
    if (!this.isComposing) return this.#model.content();
    const copy = this.#model.copy(); // the DOM and the document stay as they are
    takeShown(copy.document, this.view.shown());
    for (const change of this.#composition.waiting) change(copy);
    return copy.content();
  }

  // Edits by the user

  /**
   * Change the document as the user wants, and show the cursor.
   * @param {(document: import("./document.js").Document) => void} change
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
    this.marks.confirm(mark, word);
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
    this.#dictate(({ dictated }) => dictated.begin(utterance));
  }

  /**
   * @param {Utterance} utterance
   * @param {string} text
   */
  partial(utterance, text) {
    this.#dictate((model) => model.setPartial(utterance, text));
  }

  /**
   * @param {Utterance} utterance
   * @param {Final} final
   */
  final(utterance, final) {
    this.#dictate((model) => model.insertFinal(utterance, final));
  }

  /** @param {Utterance} utterance */
  discard(utterance) {
    this.#dictate(({ dictated }) => dictated.discard(utterance));
  }

  /**
   * The microphone of a dictation is off: text that comes later follows its text.
   * @param {number} dictation
   */
  keepPlace(dictation) {
    this.#dictate(({ dictated }) => dictated.keepPlace(dictation));
  }

  /**
   * A dictation gets no more finals: its last partials become text.
   * @param {number} dictation
   */
  endDictation(dictation) {
    this.#dictate(({ dictated }) => dictated.insertPartials(dictation));
  }

  /** @param {import("./composition.js").Change} change */
  #dictate(change) {
    if (this.isComposing) {
      if (this.#composition.wait(change)) return this.dispatchEvent(new Event("change"));
      this.endComposition();
    }
    this.readSelection();
    const wasVisible = this.view.isCursorVisible(); // else the user reads another part
    change(this.#model);
    this.view.render();
    if (wasVisible) this.view.revealCursor();
  }

  // Input methods

  beginComposition() {
    this.readSelection();
    this.#composition.begin();
  }

  continueComposition() {
    if (this.isComposing) this.#composition.continue();
  }

  /** Take the composed text, then the dictated text that has waited. */
  endComposition() {
    if (!this.isComposing) return;
    const waiting = this.#composition.end();
    this.#takeShown();
    for (const change of waiting) change(this.#model);
    this.view.rebuild();
  }

  /** The browser has changed the DOM. */
  readFromDom() {
    if (this.isComposing) {
      this.dispatchEvent(new Event("change")); // of `content`
    } else {
      this.#takeShown();
      this.view.rebuild();
    }
  }

  /** A cursor that has moved away from the changed text takes the pending utterances with it. */
  #takeShown() {
    if (takeShown(this.document, this.view.shown())) this.dictated.moveToCursor();
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
