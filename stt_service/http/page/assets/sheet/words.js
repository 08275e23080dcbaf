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
  /** @type {Map<import("./marks.js").Doubt, {block: HTMLElement, range: Range}>} the browser moves them with the text */
  #ranges = new Map();

  /** @param {import("./sheet.js").Sheet} sheet */
  constructor(sheet) {
    this.#sheet = sheet;
    if (!this.#highlight) return;
    CSS.highlights.set(HIGHLIGHT, this.#highlight);
    sheet.view.onRendered((rendered) => this.#show(rendered));
    sheet.view.rebuild();
  }

  /** @param {import("./view.js").Rendered[]} rendered */
  #show(rendered) {
    const words = this.#sheet.marks.doubts();
    const doubts = new Set(words.map(({ doubt }) => doubt));
    const replaced = new Set(rendered.filter(({ isReplaced }) => isReplaced).map(({ block }) => block));
    for (const [doubt, { block, range }] of this.#ranges) {
      if (doubts.has(doubt) && block.isConnected && !replaced.has(block)) continue;
      this.#highlight?.delete(range);
      this.#ranges.delete(doubt);
    }
    const blocks = new Map(rendered.map(({ line, block }) => [line, block]));
    for (const word of words) {
      const block = blocks.get(word.start.line);
      if (block && !this.#ranges.has(word.doubt)) this.#add(word, block);
    }
  }

  /**
   * @param {import("./marks.js").Mark["doubts"][number]} word
   * @param {HTMLElement} block
   */
  #add(word, block) {
    const range = this.#sheet.view.rangeOf(word.start, word.end);
    this.#highlight?.add(range);
    this.#ranges.set(word.doubt, { block, range });
  }
}
