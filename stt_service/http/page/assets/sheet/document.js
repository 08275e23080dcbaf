// @ts-check
/**
 * A text with a cursor, a selection and an undo history. Pure: no DOM, no clock.
 *
 * The cursor is always on a grapheme boundary. Objects that store positions subscribe to changes. The rules are those
 * of stt_tui/document.py; tests/cases/placement.json has the cases that both must pass.
 *
 * @typedef {import("./lines.js").Position} Position
 * @typedef {import("./lines.js").Change} Change
 * @typedef {import("./history.js").Edit} Edit
 * @typedef {"done" | "undone" | "redone"} How
 * @typedef {(change: Change, edit: Edit, how: How) => void} ChangeListener  `edit`: all changes of the step as one
 */
import { boundaryAfter, boundaryAt, boundaryBefore } from "./graphemes.js";
import { History } from "./history.js";
import { compare, endOf, isSame, Lines, mapPositionPast, START } from "./lines.js";

export class Document {
  /** @type {Position} */ #cursor = START;
  /** @type {Position | null} */ #anchor = null; // the other end of the selection
  #history = new History();
  /** @type {ChangeListener[]} */ #listeners = [];

  /** @param {string} text */
  constructor(text = "") {
    this.lines = new Lines(text);
  }

  get cursor() {
    return this.#cursor;
  }

  /** The fixed end of the selection; the cursor if there is none. */
  get anchor() {
    return this.#anchor ?? this.#cursor;
  }

  /** Start and end of the selection; null if it is empty. */
  get selection() {
    if (!this.#anchor || isSame(this.#anchor, this.#cursor)) return null;
    const isForward = compare(this.#anchor, this.#cursor) < 0;
    return isForward ? { start: this.#anchor, end: this.#cursor } : { start: this.#cursor, end: this.#anchor };
  }

  get canUndo() {
    return this.#history.canUndo;
  }

  get canRedo() {
    return this.#history.canRedo;
  }

  /**
   * Call the listener after each change, before the cursor is updated.
   * @param {ChangeListener} listener
   */
  subscribe(listener) {
    this.#listeners.push(listener);
  }

  text() {
    return this.lines.text();
  }

  selectedText() {
    const selection = this.selection;
    return selection ? this.lines.between(selection.start, selection.end) : "";
  }

  /** @param {Position} position */
  move(position) {
    this.#setCursor(position);
    this.#anchor = null;
  }

  /**
   * @param {Position} anchor
   * @param {Position} cursor
   */
  select(anchor, cursor) {
    this.#setCursor(cursor);
    this.#anchor = this.#onBoundary(anchor);
  }

  selectAll() {
    this.select(START, this.lines.end);
  }

  /**
   * Insert typed text in place of the selection.
   * @param {string} text
   */
  type(text) {
    this.#insertAtSelection(text, text.includes("\n") ? "whole" : "typed");
  }

  /**
   * Insert text in place of the selection, as one undo step.
   * @param {string} text
   */
  paste(text) {
    this.#insertAtSelection(text, "whole");
  }

  /**
   * Move the selected text to a position, as one undo step; nothing changes if the position is in the selection.
   * @param {Position} position
   */
  moveSelection(position) {
    const moved = this.selection;
    if (!moved || (compare(moved.start, position) <= 0 && compare(position, moved.end) <= 0)) return;
    const text = this.selectedText();
    this.deleteBefore();
    this.move(mapPositionPast(position, { ...moved, newEnd: moved.start }));
    this.#insertAtSelection(text, "joined");
  }

  /** Delete the selection, or the character before the cursor. */
  deleteBefore() {
    const selection = this.selection;
    if (selection) this.#replace(selection.start, selection.end, "", "whole");
    else this.#replace(this.#left(), this.#cursor, "", "deleted-before");
  }

  /** Delete the selection, or the character after the cursor. */
  deleteAfter() {
    const selection = this.selection;
    if (selection) this.#replace(selection.start, selection.end, "", "whole");
    else this.#replace(this.#cursor, this.#right(), "", "deleted-after");
  }

  /**
   * Replace a range by text, as one undo step; the cursor goes to the end of the text.
   * @param {Position} start
   * @param {Position} end
   * @param {string} text
   */
  replace(start, end, text) {
    this.#replace(this.#onBoundary(start), this.#onBoundary(end), text, "whole");
  }

  /**
   * Insert text at any position, as one undo step. Cursor and selection stay with the text around them.
   *
   * A cursor at the position moves after the text, unless it ends a selection, which would grow.
   * @param {Position} position
   * @param {string} text
   */
  insert(position, text) {
    const at = this.#onBoundary(position);
    const selected = this.selection;
    const change = this.#recordChange(at, at, text, "whole");
    const stays = selected && isSame(selected.end, at) ? at : null;
    this.#cursor = this.#afterInsert(this.#cursor, change, stays);
    if (this.#anchor) this.#anchor = this.#afterInsert(this.#anchor, change, stays);
  }

  /** Undo the last step; return whether there was one. */
  undo() {
    const edits = this.#history.undo();
    for (const edit of edits) this.#apply(edit, "undone");
    return edits.length > 0;
  }

  redo() {
    const edits = this.#history.redo();
    for (const edit of edits) this.#apply(edit, "redone");
    return edits.length > 0;
  }

  /** @returns {Position} */
  #left() {
    const { line, offset } = this.#cursor;
    if (offset > 0) return { line, offset: boundaryBefore(this.lines.at(line), offset) };
    return line > 0 ? { line: line - 1, offset: this.lines.at(line - 1).length } : this.#cursor;
  }

  /** @returns {Position} */
  #right() {
    const { line, offset } = this.#cursor;
    const text = this.lines.at(line);
    if (offset < text.length) return { line, offset: boundaryAfter(text, offset) };
    return line + 1 < this.lines.length ? { line: line + 1, offset: 0 } : this.#cursor;
  }

  /** @param {Position} position */
  #setCursor(position) {
    this.#history.seal();
    this.#cursor = this.#onBoundary(position);
  }

  /**
   * @param {string} text
   * @param {import("./history.js").Kind} kind
   */
  #insertAtSelection(text, kind) {
    if (!text) return; // the text had only control characters: the selection stays
    const { start, end } = this.selection ?? { start: this.#cursor, end: this.#cursor };
    this.#replace(start, end, text, kind);
  }

  /**
   * @param {Position} start
   * @param {Position} end
   * @param {string} text
   * @param {import("./history.js").Kind} kind
   */
  #replace(start, end, text, kind) {
    if (isSame(start, end) && !text) return;
    const change = this.#recordChange(start, end, text, kind);
    this.#cursor = this.#onBoundary(change.newEnd);
    this.#anchor = null;
  }

  /**
   * @param {Edit} edit
   * @param {"undone" | "redone"} how
   */
  #apply(edit, how) {
    const [old, text] = how === "undone" ? [edit.inserted, edit.removed] : [edit.removed, edit.inserted];
    const change = this.lines.replace(edit.start, endOf(edit.start, old), text);
    this.#notify(change, edit, how);
    this.#cursor = this.#onBoundary(change.newEnd);
    this.#anchor = null;
  }

  /**
   * @param {Position} start
   * @param {Position} end
   * @param {string} text
   * @param {import("./history.js").Kind} kind
   */
  #recordChange(start, end, text, kind) {
    const edit = this.#history.record({
      start,
      removed: this.lines.between(start, end),
      inserted: text,
      kind,
      step: {},
    });
    const change = this.lines.replace(start, end, text);
    this.#notify(change, edit, "done");
    return change;
  }

  /**
   * @param {Change} change
   * @param {Edit} edit
   * @param {How} how
   */
  #notify(change, edit, how) {
    for (const listener of this.#listeners) listener(change, edit, how);
  }

  /**
   * The mapped position on a boundary; the inserted text may have joined the grapheme before it.
   * @param {Position} position
   * @param {Change} change
   * @param {Position | null} stays
   */
  #afterInsert(position, change, stays) {
    return this.#onBoundary(stays && isSame(position, stays) ? position : mapPositionPast(position, change));
  }

  /**
   * @param {Position} position
   * @returns {Position}
   */
  #onBoundary(position) {
    const { line, offset } = this.lines.clamp(position);
    return { line, offset: boundaryAt(this.lines.at(line), offset) };
  }
}
