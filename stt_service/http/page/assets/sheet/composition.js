// @ts-check
/**
 * Text that an input method composes: where it is placed in the document, and what waits until it is composed.
 *
 * Dictated text waits until the composition ends. Keyboards of Android leave compositions open; there, it waits until
 * the composition has not changed for COMPOSITION_PAUSE_MS. Other input methods insert their text a second time if the
 * page ends the composition.
 *
 * @typedef {import("./lines.js").Position} Position
 * @typedef {import("./document.js").Document} Document
 * @typedef {Readonly<{text: string, anchor: Position | null, cursor: Position | null}>} Shown  text and selection of the DOM
 * @typedef {(model: import("./model.js").Model) => void} Change
 */
import { difference } from "./blocks.js";
import { boundaryAt, boundaryAtOrBefore } from "./graphemes.js";
import { compare, endOf, START } from "./lines.js";

const COMPOSITION_PAUSE_MS = 3000;
const MAX_WAITING = 1000; // changes during one composition, which the next one ends
const isAndroid = /Android/.test(navigator.userAgent);

/** Whether a composition is open, and the changes that wait for its end. */
export class Composition {
  #onPause;
  #timer = 0;
  #changedAt = 0; // performance.now() of the last change by the input method
  isOpen = false;
  /** @type {Change[]} */ waiting = [];

  /** @param {() => void} onPause called when the composition must be ended, because changes wait */
  constructor(onPause) {
    this.#onPause = onPause;
  }

  begin() {
    this.isOpen = true;
    this.continue();
  }

  /** The input method has changed the composed text. */
  continue() {
    this.#changedAt = performance.now();
    this.#schedule();
  }

  /**
   * Keep the change until the composition ends; return false if it must end before the change.
   * @param {Change} change
   */
  wait(change) {
    if (this.waiting.length === MAX_WAITING || this.#remainingMs() <= 0) return false;
    this.waiting.push(change);
    this.#schedule();
    return true;
  }

  /** Close the composition; return the changes that have waited. */
  end() {
    clearTimeout(this.#timer);
    this.isOpen = false;
    return this.waiting.splice(0);
  }

  #remainingMs() {
    return isAndroid ? this.#changedAt + COMPOSITION_PAUSE_MS - performance.now() : Infinity;
  }

  #schedule() {
    clearTimeout(this.#timer);
    if (isAndroid && this.waiting.length) this.#timer = setTimeout(this.#onPause, this.#remainingMs());
  }
}

/**
 * Make text and selection of the document those of the DOM. Return whether the cursor has moved away from the text that
 * was changed.
 * @param {Document} document
 * @param {Shown} shown
 */
export function takeShown(document, { text, anchor, cursor }) {
  const { start, end } = replaceDifference(document, text, cursor);
  if (!anchor || !cursor) return false;
  document.select(anchor, cursor);
  return compare(document.cursor, start) < 0 || compare(end, document.cursor) < 0;
}

/**
 * Replace the changed characters; return the range of the new text, or the selection if the text is the same.
 *
 * Composed text ends at the caret. If the caret is in the middle of it, it starts where the selection was.
 * @param {Document} document
 * @param {string} shown
 * @param {Position | null} caret
 */
function replaceDifference(document, shown, caret) {
  const old = document.text();
  const selection = document.selection ?? { start: document.cursor, end: document.cursor };
  if (shown === old) return selection;
  const composed = caret ? [offsetOf(shown, caret) - Math.max(0, shown.length - old.length)] : [];
  const { start, removed, inserted } = placed(old, shown, [...composed, offsetOf(old, selection.start)]);
  const from = boundaryAtOrBefore(old, start);
  const to = boundaryAt(old, start + removed);
  const text = old.slice(from, start) + inserted + old.slice(start + removed, to);
  const at = endOf(START, old.slice(0, from));
  document.replace(at, endOf(START, old.slice(0, to)), text);
  return { start: at, end: endOf(at, text) };
}

/**
 * What to replace in the old text to get the other one. Next to equal characters, there are several places where the
 * same characters can be inserted or removed.
 * @param {string} old
 * @param {string} text
 * @param {number[]} places where to start if possible, in their order
 */
function placed(old, text, places) {
  const last = difference(old, text);
  if (last.removed && last.inserted) return last; // there is no other place
  const longer = last.removed ? old : text;
  const length = last.removed || last.inserted.length;
  let first = last.start;
  while (first > 0 && longer.charCodeAt(first - 1) === longer.charCodeAt(first - 1 + length)) first -= 1;
  const start = places.find((place) => first <= place && place <= last.start) ?? last.start;
  return { start, removed: last.removed, inserted: text.slice(start, start + last.inserted.length) };
}

/**
 * @param {string} text
 * @param {Position} position
 */
function offsetOf(text, { line, offset }) {
  let start = 0;
  for (let each = 0; each < line; each += 1) start = text.indexOf("\n", start) + 1;
  return start + offset;
}
