// @ts-check
/** The text of recordings in the sheet. Each final is inserted once: recording/delivery.js has the rule. */
import { sanitizeTranscript } from "../sheet/graphemes.js";

export class RecordedText {
  #sheet;
  #recordings;

  /**
   * @param {import("../sheet/sheet.js").Sheet} sheet
   * @param {import("./followed-recordings.js").FollowedRecordings} recordings
   */
  constructor(sheet, recordings) {
    this.#sheet = sheet;
    this.#recordings = recordings;
  }

  /**
   * Insert the text of a recording from now on.
   * @param {(name: string, handle: (detail: any) => void) => void} on adds a listener for an event of it
   * @param {(text: string) => void} onFinal called with the text of a final that the sheet did not have
   */
  receive(on, onFinal) {
    on("speech", (detail) => this.#sheet.begin(this.#utterance(detail)));
    on("partial", (detail) => this.#sheet.partial(this.#utterance(detail), detail.stable + detail.unstable));
    on("suppressed", (detail) => this.#sheet.discard(this.#utterance(detail)));
    on("final", (detail) => {
      if (this.#insert(detail.recording, this.#utterance(detail), detail)) onFinal(sanitizeTranscript(detail.text));
    });
  }

  /**
   * Insert the finals that the sheet is missing.
   * @param {typeof import("../recording/dictation.js").Dictation} stored
   * @param {import("../recording/dictation.js").Options} options
   */
  async insertMissing(stored, options) {
    const { marks } = this.#sheet;
    const wasInserted = (/** @type {string} */ recording, /** @type {number} */ number) =>
      marks.wasInserted(recording, number);
    const found = await stored.missing(options, wasInserted);
    if (!found) return;
    marks.keepRecordings(found.recordings);
    for (const { recording, startedAt, final } of found.missing) {
      this.#insert(recording, { dictation: startedAt, number: Number(final.utterance) }, final);
    }
  }

  /**
   * Insert a final that the sheet does not have yet; return whether it did not.
   * @param {string} recording
   * @param {import("../sheet/dictated-text.js").Utterance} utterance
   * @param {any} final
   */
  #insert(recording, utterance, final) {
    if (this.#sheet.marks.wasInserted(recording, utterance.number)) {
      this.#sheet.discard(utterance);
      return false;
    }
    const { text, startMs, endMs, words = [] } = final;
    this.#sheet.final(utterance, { recording, text, startMs, endMs, words });
    return true;
  }

  /** @param {{recording: string, utterance: number}} detail of an event; a state has come before it */
  #utterance({ recording, utterance }) {
    return { dictation: this.#recordings.get(recording)?.startedAt ?? 0, number: Number(utterance) };
  }
}
