// @ts-check
/**
 * The undo history: edits, merged into steps that a user would name. Pure.
 *
 * A step is a typed word, a run of Backspaces or Deletes, a paste or an utterance. Each edit clears the redo steps, an
 * utterance included: its spaces are chosen for the text without the undone steps. The rules are those of
 * stt_tui/history.py.
 *
 * @typedef {import("./lines.js").Position} Position
 * @typedef {"typed" | "deleted-before" | "deleted-after" | "whole" | "joined"} Kind  "whole" is a step of its own; a
 *   "joined" edit is undone and redone with the edit before it
 * @typedef {Readonly<{start: Position, removed: string, inserted: string, kind: Kind, step: object}>} Edit
 *   `step`: the identity of the step, which all edits merged into it have
 */
import { endOf, isSame } from "./lines.js";

const MAX_STEPS = 10_000;
const MAX_CHARACTERS = 16_000_000; // of removed and inserted text

export class History {
  /** @type {Edit[]} */ #done = [];
  /** @type {Edit[]} */ #undone = [];
  #characters = 0;
  #isSealed = true;

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /**
   * Merge the edit into the last step if it continues that step, else add a step; clear the redo steps. Return the step.
   * @param {Edit} edit
   */
  record(edit) {
    this.#undone = [];
    const last = this.#done.at(-1);
    const merged = this.#isSealed || !last ? null : merge(last, edit);
    if (merged) this.#characters -= sizeOf(/** @type {Edit} */ (this.#done.pop()));
    this.#push(merged ?? edit);
    this.#isSealed = edit.kind === "whole" || edit.kind === "joined";
    return merged ?? edit;
  }

  /** End the step: the next edit starts another one. */
  seal() {
    this.#isSealed = true;
  }

  /** The edits of the last step, in the order in which to undo them. */
  undo() {
    /** @type {Edit[]} */ const edits = [];
    do {
      const edit = this.#done.pop();
      if (!edit) break;
      this.#characters -= sizeOf(edit);
      this.#undone.push(edit);
      edits.push(edit);
    } while (edits.at(-1)?.kind === "joined");
    this.#isSealed = true;
    return edits;
  }

  /** The edits of the step that was undone last, in the order in which to make them again. */
  redo() {
    /** @type {Edit[]} */ const edits = [];
    do {
      const edit = this.#undone.pop();
      if (!edit) break;
      this.#push(edit);
      edits.push(edit);
    } while (this.#undone.at(-1)?.kind === "joined");
    this.#isSealed = true;
    return edits;
  }

  /** @param {Edit} edit */
  #push(edit) {
    this.#done.push(edit);
    this.#characters += sizeOf(edit);
    let dropped = Math.max(0, this.#done.length - MAX_STEPS);
    let characters = this.#characters;
    for (let each = 0; each < dropped; each += 1) characters -= sizeOf(this.#done[each]);
    const isExcess = () => characters > MAX_CHARACTERS || (dropped && this.#done[dropped].kind === "joined");
    while (dropped < this.#done.length - 1 && isExcess()) {
      characters -= sizeOf(this.#done[dropped]);
      dropped += 1;
    }
    if (dropped) this.#done.splice(0, dropped);
    this.#characters = characters;
  }
}

/** @param {Edit} edit */
const sizeOf = (edit) => edit.removed.length + edit.inserted.length;

/**
 * Both edits as one step if the second continues the first, else null.
 * @param {Edit} last
 * @param {Edit} edit
 * @returns {Edit | null}
 */
function merge(last, edit) {
  if (last.kind !== edit.kind) return null;
  if (edit.kind === "typed") {
    const continues = isSame(edit.start, endOf(last.start, last.inserted)) && !edit.removed;
    if (!continues || beginsWord(last.inserted, edit.inserted)) return null;
    return { ...last, inserted: last.inserted + edit.inserted };
  }
  if (edit.kind === "deleted-before" && isSame(endOf(edit.start, edit.removed), last.start)) {
    return { ...edit, removed: edit.removed + last.removed, step: last.step };
  }
  if (edit.kind === "deleted-after" && isSame(edit.start, last.start)) {
    return { ...last, removed: last.removed + edit.removed };
  }
  return null;
}

/**
 * @param {string} before
 * @param {string} typed
 */
const beginsWord = (before, typed) => /\s$/.test(before) && !/^\s/.test(typed);
