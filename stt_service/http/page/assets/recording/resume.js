/**
 * The resume point of a dictation, and which events repeat earlier ones. Pure: the rules of stt_client/recovery/resume.py.
 *
 * A server commits audio: each response has `committedMs`, before which no text is pending. When a stream fails, the
 * next one starts at the last committed position; it receives uncommitted audio again, and may emit events again.
 * Utterances are numbered over all streams of a dictation, and the numbers distinguish new events from repeated ones:
 *
 * - Each utterance has exactly one `speech` and one result (`final` or `suppressed`), in order; a lower number repeats.
 * - A resumed stream numbers from the first uncommitted result, otherwise from the first utterance without a result.
 * - If the committed position is a split at the maximum length, the utterance continues there.
 * - `previousLanguage` is that of the last committed final: an uncommitted one is recognized again.
 * - Positions never decrease, also if a broken server sends a lower one.
 */

/**
 * @typedef {{committedMs: number, nextResult: number, splitMs: number, language: string,
 *   uncommitted: {utterance: number, endMs: number, language: string}[]}} ResumeState
 */

/** @type {ResumeState} */
const START = { committedMs: 0, nextResult: 0, splitMs: -1, language: "", uncommitted: [] };

export class ResumeTracker {
  /** @param {ResumeState} [state] of an earlier page, from `toJSON` */
  constructor(state = START) {
    this.committedMs = state.committedMs;
    this._nextResult = state.nextResult;
    this._splitMs = state.splitMs;
    this._language = state.language;
    this._uncommitted = state.uncommitted;
    this._nextStart = state.nextResult; // a new page receives `speech` of the open utterance again
  }

  /** @returns {ResumeState} what the journal keeps */
  toJSON() {
    return {
      committedMs: this.committedMs,
      nextResult: this._nextResult,
      splitMs: this._splitMs,
      language: this._language,
      uncommitted: this._uncommitted,
    };
  }

  /** @returns {object} proto3 JSON of `Resume`, without the left context */
  get resume() {
    return {
      audioOffsetMs: String(this.committedMs),
      nextUtterance: String(this._uncommitted.length ? this._uncommitted[0].utterance : this._nextResult),
      continuesUtterance: this._splitMs === this.committedMs,
      previousLanguage: this._language,
    };
  }

  /**
   * Record an event; return whether it is new to the caller.
   * @param {import("./messages.js").Event} event
   */
  handle(event) {
    const isNew = this._isNew(event);
    this.committedMs = Math.max(this.committedMs, event.committedMs);
    if (isNew && isResult(event)) {
      const { utterance, endMs } = event;
      this._uncommitted = [...this._uncommitted, { utterance, endMs, language: event.language ?? "" }];
      if (event.endpoint === "ENDPOINT_MAX_LENGTH") this._splitMs = event.committedMs;
    }
    this._commit();
    return isNew;
  }

  /** Drop the results that end before the committed position, and retain the language of the last final. */
  _commit() {
    const committed = this._uncommitted.filter((result) => result.endMs <= this.committedMs);
    this._uncommitted = this._uncommitted.filter((result) => result.endMs > this.committedMs);
    this._language = committed.findLast((result) => result.language)?.language ?? this._language;
  }

  _isNew(event) {
    const { utterance } = event;
    let isNew = true;
    if (event.type === "speech") {
      isNew = utterance >= Math.max(this._nextStart, this._nextResult);
      this._nextStart = Math.max(this._nextStart, utterance + 1);
    } else if (event.type === "partial") {
      isNew = utterance >= this._nextResult;
    } else if (isResult(event)) {
      isNew = utterance >= this._nextResult;
      this._nextResult = Math.max(this._nextResult, utterance + 1);
    }
    return isNew;
  }
}

/** @param {import("./messages.js").Event} event */
export function isResult(event) {
  return event.type === "final" || event.type === "suppressed";
}
