// @ts-check
/** The places of doubtful words in an inserted utterance, and their highlights. */
import { DOUBTFUL_CONFIDENCE } from "./marks.js";

export const HIGHLIGHT = "doubtful";

/**
 * @param {import("./lines.js").Position} at
 * @param {string} text the utterance as inserted
 * @param {import("./sheet.js").Word[]} words in order
 */
export function doubtfulWords(at, text, words) {
  const places = [];
  let from = 0;
  for (const { text: word, startMs, endMs, confidence } of words) {
    const bare = word.replace(/^[\s\p{P}]+|[\s\p{P}]+$/gu, "");
    const found = bare ? text.toLowerCase().indexOf(bare.toLowerCase(), from) : -1;
    if (found < 0) continue;
    from = found + bare.length;
    if (confidence >= DOUBTFUL_CONFIDENCE) continue;
    const start = { line: at.line, offset: at.offset + found };
    const end = { line: at.line, offset: at.offset + from };
    places.push({ start, end, doubt: { startMs, endMs, confidence } });
  }
  return places;
}

/** Underlines the doubtful words by the CSS Custom Highlight API; without it they are not underlined. */
export class Highlights {
  #sheet;
  #highlight = globalThis.Highlight ? new Highlight() : null;
  /** @type {Map<HTMLElement, Range[]>} */ #ranges = new Map();

  /** @param {import("./sheet.js").Sheet} sheet */
  constructor(sheet) {
    this.#sheet = sheet;
    if (!this.#highlight) return;
    CSS.highlights.set(HIGHLIGHT, this.#highlight);
    sheet.view.onRendered((blocks) => this.#show(blocks));
    sheet.view.rebuild();
  }

  /** @param {Map<number, HTMLElement>} blocks */
  #show(blocks) {
    for (const [block, ranges] of this.#ranges) {
      if (block.isConnected && ![...blocks.values()].includes(block)) continue;
      for (const range of ranges) this.#highlight?.delete(range);
      this.#ranges.delete(block);
    }
    for (const { start, end } of this.#sheet.marks.doubts()) {
      const block = blocks.get(start.line);
      if (block) this.#add(block, this.#sheet.view.rangeOf(start, end));
    }
  }

  /**
   * @param {HTMLElement} block
   * @param {Range} range
   */
  #add(block, range) {
    this.#highlight?.add(range);
    this.#ranges.set(block, [...(this.#ranges.get(block) ?? []), range]);
  }
}
