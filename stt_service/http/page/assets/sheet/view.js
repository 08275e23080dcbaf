// @ts-check
/**
 * The document in the DOM: one block for each line, partials as dimmed inline elements that are no part of the text.
 *
 * The document is authoritative. A change renders only the lines that it touched.
 * While an input method composes text, the blocks and the selection belong to the browser and nothing is rendered.
 *
 * @typedef {import("./lines.js").Position} Position
 * @typedef {import("./blocks.js").Edit} Edit
 * @typedef {Readonly<{line: number, block: HTMLElement, isReplaced: boolean}>} Rendered  isReplaced: text nodes of the
 *   block were removed
 */
import { isPartial, offsetInBlock, renderBlock, textOfBlock } from "./blocks.js";
import { isSame } from "./lines.js";

const MAX_EDITS = 100; // of a line between two renderings; with more, its texts are compared
const SCROLL_TOLERANCE_PX = 80; // about two lines below the area that the caret is kept in

export class View {
  #root;
  #document;
  #dictated;
  /** @type {HTMLElement[]} */ #blocks = []; // by line
  /** @type {Set<HTMLElement>} */ #withPartials = new Set();
  /** @type {Set<number>} */ #dirty = new Set(); // lines to render
  /** @type {Map<HTMLElement, Edit[] | null>} */ #edits = new Map(); // since the rendering; null: compare the texts
  /** @type {((rendered: Rendered[]) => void)[]} */ #listeners = [];

  /**
   * @param {HTMLElement} root the editable element
   * @param {import("./document.js").Document} document
   * @param {import("./dictated-text.js").DictatedText} dictated
   */
  constructor(root, document, dictated) {
    this.#root = root;
    this.#document = document;
    this.#dictated = dictated;
    document.subscribe((change) => this.#follow(change));
    this.#insertBlocks(0, document.lines.length);
    this.render();
  }

  /**
   * Call the listener with the rendered blocks, after each rendering.
   * @param {(rendered: Rendered[]) => void} listener
   */
  onRendered(listener) {
    this.#listeners.push(listener);
  }

  /** Render the changed lines, the partials and the selection now. */
  render() {
    const preedits = this.#dictated.preedits();
    for (const block of this.#withPartials) this.#dirty.add(this.#blocks.indexOf(block));
    this.#withPartials.clear();
    for (const { at } of preedits) this.#dirty.add(at.line);
    /** @type {Rendered[]} */ const rendered = [];
    for (const line of this.#dirty) {
      const block = this.#blocks[line];
      const partials = preedits.filter(({ at }) => at.line === line);
      rendered.push({ line, block, isReplaced: this.#renderBlock(block, line, partials) });
      if (partials.length) this.#withPartials.add(block);
    }
    this.#dirty.clear();
    this.#root.classList.toggle(
      "empty",
      this.#document.lines.length === 1 && !this.#document.lines.at(0) && !preedits.length,
    );
    this.showSelection();
    for (const listener of this.#listeners) listener(rendered);
  }

  /**
   * @param {HTMLElement} block
   * @param {number} line
   * @param {import("./blocks.js").Preedit[]} partials
   */
  #renderBlock(block, line, partials) {
    const edits = this.#edits.get(block);
    this.#edits.delete(block);
    return renderBlock(block, this.#document.lines.at(line), partials, edits);
  }

  /**
   * Text and selection as the DOM has them: other than the document's after an input method has changed them.
   * @returns {import("./composition.js").Shown}
   */
  shown() {
    const text = [...this.#root.children].map(textOfBlock).join("\n");
    const selection = getSelection();
    const anchor = selection?.anchorNode ? this.#shownPosition(selection.anchorNode, selection.anchorOffset) : null;
    const cursor = selection?.focusNode ? this.#shownPosition(selection.focusNode, selection.focusOffset) : null;
    return { text, anchor, cursor };
  }

  /**
   * The position in the text that the DOM has; null if it is outside of the sheet.
   * @param {Node} node
   * @param {number} offset
   * @returns {Position | null}
   */
  #shownPosition(node, offset) {
    const blocks = [...this.#root.children];
    const line = blocks.findIndex((block) => block.contains(node));
    return line < 0 ? null : { line, offset: offsetInBlock(/** @type {HTMLElement} */ (blocks[line]), node, offset) };
  }

  /**
   * Render the line next time, though its text is the same.
   * @param {number} line
   */
  touch(line) {
    this.#dirty.add(line);
  }

  /** Create all blocks again, because the browser has changed them. */
  rebuild() {
    this.#root.replaceChildren();
    this.#blocks = [];
    this.#edits.clear();
    this.#withPartials.clear();
    this.#dirty.clear();
    this.#insertBlocks(0, this.#document.lines.length);
    this.render();
  }

  /** Set the selection of the page to the document's, if it is another one and the sheet has the focus. */
  showSelection() {
    if (document.activeElement !== this.#root) return;
    const selection = /** @type {Selection} */ (getSelection());
    const shown = this.shownSelection();
    const isShown = shown && isSame(shown.anchor, this.#document.anchor) && isSame(shown.cursor, this.#document.cursor);
    if (isShown && this.#isCaretVisible(selection)) return;
    const anchor = this.#pointAt(this.#document.anchor);
    const cursor = this.#pointAt(this.#document.cursor);
    selection.setBaseAndExtent(anchor.node, anchor.offset, cursor.node, cursor.offset);
  }

  /**
   * Whether the caret is after the partials at its position, where typed text will be.
   * @param {Selection} selection
   */
  #isCaretVisible(selection) {
    if (!this.#withPartials.size || !selection.isCollapsed) return true;
    const { node, offset } = this.#pointAt(this.#document.cursor);
    return selection.focusNode === node && selection.focusOffset === offset;
  }

  /** The selection of the page as positions; null if it is outside of the sheet. */
  shownSelection() {
    const selection = getSelection();
    if (!selection?.anchorNode || !selection.focusNode) return null;
    const anchor = this.positionOf(selection.anchorNode, selection.anchorOffset);
    const cursor = this.positionOf(selection.focusNode, selection.focusOffset);
    return anchor && cursor ? { anchor, cursor } : null;
  }

  /**
   * The position of a point of the DOM; null if it is outside of the sheet.
   * @param {Node} node
   * @param {number} offset
   * @returns {Position | null}
   */
  positionOf(node, offset) {
    if (node === this.#root) return this.#positionInRoot(offset);
    let child = node;
    while (child.parentNode && child.parentNode !== this.#root) child = child.parentNode;
    const line = child.parentNode ? this.#blocks.indexOf(/** @type {HTMLElement} */ (child)) : -1;
    if (line < 0) return null;
    return {
      line,
      offset: Math.min(offsetInBlock(this.#blocks[line], node, offset), this.#document.lines.at(line).length),
    };
  }

  /**
   * A range of the DOM with the text between two positions of one line.
   * @param {Position} start
   * @param {Position} end
   */
  rangeOf(start, end) {
    const range = new Range();
    const first = this.#pointAt(start);
    const last = this.#pointAt(end, false);
    range.setStart(first.node, first.offset);
    range.setEnd(last.node, last.offset);
    return range;
  }

  /** Scroll so that the caret, or the partial at it, is visible. */
  revealCursor() {
    const { bottom, top } = this.#cursorRectangle();
    const { top: visibleTop, bottom: visibleBottom } = this.#visibleArea();
    if (bottom > visibleBottom) scrollBy(0, bottom - visibleBottom);
    else if (top < visibleTop) scrollBy(0, top - visibleTop);
  }

  /** Whether the end of the caret, or of the partial at it, is where `revealCursor` leaves it. */
  isCursorVisible() {
    const { bottom } = this.#cursorRectangle();
    const { top, bottom: visibleBottom } = this.#visibleArea();
    return top < bottom && bottom < visibleBottom + SCROLL_TOLERANCE_PX;
  }

  #cursorRectangle() {
    const block = this.#blocks[this.#document.cursor.line];
    const partial = block.querySelector(".partial:last-of-type");
    const target = partial ?? this.#caretRectangle() ?? block;
    return target instanceof Element ? target.getBoundingClientRect() : target;
  }

  #visibleArea() {
    const style = getComputedStyle(document.documentElement);
    const top = parseFloat(style.scrollPaddingTop) || 0;
    return { top, bottom: (visualViewport?.height ?? innerHeight) - (parseFloat(style.scrollPaddingBottom) || 0) };
  }

  #caretRectangle() {
    const { node, offset } = this.#pointAt(this.#document.cursor);
    const range = new Range();
    range.setStart(node, offset);
    return range.getClientRects()[0] ?? null;
  }

  /** @param {import("./lines.js").Change} change */
  #follow(change) {
    const { start, end, newEnd } = change;
    const removed = this.#blocks.splice(start.line + 1, end.line - start.line);
    for (const block of removed) {
      block.remove();
      this.#withPartials.delete(block);
      this.#edits.delete(block);
    }
    const shift = newEnd.line - end.line;
    if (shift)
      this.#dirty = new Set(
        [...this.#dirty].map((line) => (line > start.line ? Math.max(start.line, line + shift) : line)),
      );
    this.#insertBlocks(start.line + 1, newEnd.line - start.line);
    this.#dirty.add(start.line);
    this.#noteEdit(change);
  }

  /** @param {import("./lines.js").Change} change */
  #noteEdit({ start, end, newEnd }) {
    const block = this.#blocks[start.line];
    const known = this.#edits.has(block) ? this.#edits.get(block) : [];
    const isInLine = start.line === end.line && start.line === newEnd.line;
    if (!known || !isInLine || known.length === MAX_EDITS) return this.#edits.set(block, null);
    const inserted = this.#document.lines.at(start.line).slice(start.offset, newEnd.offset);
    this.#edits.set(block, [...known, { start: start.offset, removed: end.offset - start.offset, inserted }]);
  }

  /**
   * @param {number} at
   * @param {number} count
   */
  #insertBlocks(at, count) {
    if (!count) return;
    const blocks = Array.from({ length: count }, () => document.createElement("p"));
    const fragment = document.createDocumentFragment();
    fragment.append(...blocks);
    this.#root.insertBefore(fragment, this.#blocks[at] ?? null);
    this.#blocks = this.#blocks.slice(0, at).concat(blocks, this.#blocks.slice(at));
    for (let line = at; line < at + count; line += 1) this.#dirty.add(line);
  }

  /**
   * The point of the DOM at a position: after the partials there, or before them.
   * @param {Position} position
   * @param {boolean} isAfterPartials
   * @returns {{node: Node, offset: number}}
   */
  #pointAt({ line, offset }, isAfterPartials = true) {
    const block = this.#blocks[line];
    let left = offset;
    /** @type {{node: Node, offset: number}} */ let point = { node: block, offset: 0 };
    for (const [index, child] of [...block.childNodes].entries()) {
      if (child instanceof Text) {
        if (left < child.length || (left === child.length && !isAfterPartials)) return { node: child, offset: left };
        left -= child.length;
        point = { node: child, offset: child.length };
      } else if (left === 0 && isPartial(child)) {
        if (!isAfterPartials) return point;
        point = { node: block, offset: index + 1 };
      }
    }
    return point;
  }

  /**
   * @param {number} offset index of a block
   * @returns {Position}
   */
  #positionInRoot(offset) {
    if (offset >= this.#blocks.length) return this.#document.lines.end;
    const line = this.#blocks.indexOf(/** @type {HTMLElement} */ (this.#root.childNodes[offset]));
    return { line: Math.max(line, 0), offset: 0 };
  }
}
