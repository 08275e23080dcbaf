// @ts-check
/**
 * The text of a sheet with its pending utterances and its marks, and the events of dictation that change them. Pure.
 *
 * @typedef {import("./dictated-text.js").Utterance} Utterance
 * @typedef {import("./store.js").Content} Content
 * @typedef {import("./sheet.js").Final} Final
 */
import { DictatedText } from "./dictated-text.js";
import { Document } from "./document.js";
import { sanitizeTranscript } from "./graphemes.js";
import { endOf } from "./lines.js";
import { Marks } from "./marks.js";
import { doubtfulWords } from "./words.js";

const MAX_PARTIAL_CHARACTERS = 10_000; // displayed at most; far more than the words of the longest utterance

export class Model {
  /** @param {Content} content */
  constructor(content) {
    this.document = new Document(content.text);
    this.document.move(content.cursor);
    this.dictated = new DictatedText(this.document);
    this.marks = new Marks(this.document);
    this.marks.restore(content.marks);
  }

  /** @returns {Content} what is stored */
  content() {
    return { text: this.document.text(), cursor: this.document.cursor, marks: this.marks.toJSON() };
  }

  /** A model of its own with the same content, selection and pending utterances. */
  copy() {
    const copy = new Model(structuredClone(this.content()));
    copy.document.select(this.document.anchor, this.document.cursor);
    copy.dictated.copyPending(this.dictated);
    return copy;
  }

  /**
   * @param {Utterance} utterance
   * @param {string} text
   */
  setPartial(utterance, text) {
    this.dictated.setPartial(utterance, sanitizeTranscript(text.slice(0, MAX_PARTIAL_CHARACTERS)));
  }

  /**
   * @param {Utterance} utterance
   * @param {Final} final
   */
  insertFinal(utterance, final) {
    const text = sanitizeTranscript(final.text);
    const { at, text: spaced } = this.dictated.insertFinal(utterance, text);
    if (!spaced) return;
    const { recording, startMs, endMs } = final;
    const spoken = { recording, number: utterance.number, startMs, endMs, startedAt: utterance.dictation };
    this.marks.add({ start: at, end: endOf(at, spaced), spoken, doubts: doubtfulWords(at, spaced, final.words) });
  }
}
