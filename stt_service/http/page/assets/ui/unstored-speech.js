// @ts-check
/** Speech without text that only memory has: the page warns while it can be lost, and asks before it is. */
import { t } from "../strings.js";

/** @typedef {import("../recording/dictation.js").Dictation} Dictation */

export class UnstoredSpeech {
  #recordings;
  #isLossAccepted = false;
  /** @type {Map<Dictation, string>} */ #failures = new Map(); // kinds

  /** @param {import("./followed-recordings.js").FollowedRecordings} recordings */
  constructor(recordings) {
    this.#recordings = recordings;
    addEventListener("beforeunload", (event) => {
      if (!this.#seconds || this.#isLossAccepted) return;
      event.preventDefault();
      this.store(); // if the user stays
    });
  }

  /** Seconds of audio that are lost when the page closes; parts of a second are being written. */
  get #seconds() {
    return Math.round(this.#recordings.waiting.reduce((sum, { unstoredMs }) => sum + unstoredMs, 0) / 1000);
  }

  /** Try again to store it. */
  async store() {
    await Promise.all(this.#recordings.waiting.map((dictation) => dictation.flush()));
  }

  /** Store it, or ask; return whether the page may close. */
  async mayClose() {
    await this.store();
    const seconds = this.#seconds;
    this.#isLossAccepted = !seconds || confirm(t("unstoredQuestion", { seconds }));
    return this.#isLossAccepted;
  }

  /**
   * Record what the storage of a recording reports; return the kinds of all failures.
   * @param {Dictation} dictation
   * @param {string} kind
   */
  report(dictation, kind) {
    if (kind === "available") this.#failures.delete(dictation);
    else this.#failures.set(dictation, kind);
    return [...this.#failures.values()];
  }
}
