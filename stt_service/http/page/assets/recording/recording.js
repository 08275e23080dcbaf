/**
 * One recording: its audio, uncommitted commands, results and resume state, in memory and in the journal.
 *
 * The journal is written at each change and never read by a running recording, except audio of more than a minute ago.
 * Its failures are reported and do not stop the recording: the next change and the next stored audio write again what it
 * refused. A row is computed when it is written, with all results that it counts, so that all changes of one event are in
 * one transaction.
 */

import { AudioFormat } from "./audio-format.js";
import { withOwner } from "./delivery.js";
import { ReplayBuffer } from "./replay-buffer.js";
import { ResumeTracker, isResult } from "./resume.js";
import { RecordingError, Tape } from "./tape.js";

const PADDING_BEFORE_MS = 150; // of the audio of an utterance: the onset of a word is earlier than its detection
const PADDING_AFTER_MS = 250;
const PART_BYTES = 2 ** 20; // of a WAV file

export class Recording {
  /**
   * @param {import("./journal.js").Journal | null} journal
   * @param {import("./journal.js").RecordingRow} row
   * @param {(error: DOMException | null) => void} onStorage is called with each failure of a write; null: storage works
   *   again
   * @param {{start: number, end: number}} [stored] audio in the journal
   */
  constructor(journal, row, onStorage, stored) {
    this._journal = journal;
    this._row = row;
    this._onStorage = onStorage;
    /** @type {Map<number, {startMs: number, endMs: number}>} */
    this._results = new Map();
    this._unsavedResults = [];
    this._isSaved = true; // the row
    this._isStored = stored !== undefined; // a row, maybe an older one
    this._hasFailed = false; // the last write of the row
    this._isFailureReported = false;
    this._saving = null;
    this.id = row.id;
    this.format = new AudioFormat(row.rateHz);
    this.tape = new Tape(this.format, row.id, journal, (error) => this._onAudioWritten(error), stored);
    this.tracker = new ResumeTracker(row.resume);
    const { settings, commands } = row;
    this.buffer = new ReplayBuffer(this.format, this.tape, { settings, commands, committedMs: row.resume.committedMs });
  }

  /** Return a new recording that has begun after a time, also if the clock was set back. */
  static begin(journal, id, rateHz, settings, onStorage, after = 0) {
    const resume = new ResumeTracker().toJSON();
    const startedAt = Math.max(Date.now(), after + 1);
    const row = {
      id,
      rateHz,
      settings,
      resume,
      startedAt,
      commands: [],
      sheets: [],
      wasStarted: false,
      isComplete: false,
    };
    const recording = new Recording(journal, row, onStorage);
    recording.save();
    return recording;
  }

  /** Return a recording of an earlier page. */
  static async reopen(journal, row, onStorage) {
    const recording = new Recording(journal, row, onStorage, await journal.extent(row.id));
    for (const result of await journal.results(row.id)) recording._results.set(result.utterance, result);
    return recording;
  }

  get startedAt() {
    return this._row.startedAt;
  }

  get wasStarted() {
    return this._row.wasStarted;
  }

  /** @param {object} changes of the row, besides those of the buffer and the tracker */
  save(changes = {}) {
    this._row = { ...this._row, ...changes };
    this._isSaved = false;
    this._startSaving();
  }

  /** @param {object} event final or suppressed; others are not kept */
  saveResult(event) {
    if (!isResult(event)) return;
    this._results.set(event.utterance, event);
    this._unsavedResults.push(event);
    this.save();
  }

  /** Resolve once the journal has everything, or has refused it. */
  async flush() {
    await this.tape.flush();
    this._startSaving();
    await this._saving;
  }

  /** Results from now on belong to another sheet; see delivery.js. @param {string} sheet */
  deliverTo(sheet) {
    const { nextResult } = this.tracker.toJSON();
    this.save({ sheets: withOwner(this._row.sheets ?? [], { sheet, first: nextResult }) });
  }

  /** Milliseconds of audio that have all of their text. */
  get committedMs() {
    return this.tracker.committedMs;
  }

  /** Milliseconds of audio without text that are lost when the page closes. */
  get unstoredMs() {
    const storedMs = this._isStored ? this.format.msOf(this.tape.storedEnd) : 0;
    return Math.max(0, this.durationMs - Math.max(storedMs, this.committedMs));
  }

  /** Name of the captions under which it is published; undefined while it is private. */
  get captionsName() {
    return this._row.captionsName;
  }

  /** @param {{name: string} | null} captions under which it is published from now on */
  publishAs(captions) {
    this.save({ captionsName: captions?.name });
  }

  /** @param {object} settings of all audio that is not committed, instead of its own */
  replaceSettings(settings) {
    this.buffer.replaceSettings(settings);
    this.save();
  }

  /** Milliseconds of audio that were recorded. */
  get durationMs() {
    return this.format.msOf(this.tape.end);
  }

  /** @param {import("./replay-buffer.js").Command} command */
  appendCommand(command) {
    this.buffer.appendCommand(command);
    this.save();
  }

  /**
   * @param {number} utterance
   * @returns {Promise<Blob>} WAV
   * @throws {RecordingError} it has no result, or no audio any more
   */
  async audioOf(utterance) {
    const result = this._results.get(utterance);
    if (!result) throw new RecordingError("audio-deleted", `Utterance ${utterance} has no result.`);
    const from = this.format.bytesOf(Math.max(0, result.startMs - PADDING_BEFORE_MS));
    return this._wav(from, this.format.bytesOf(result.endMs + PADDING_AFTER_MS));
  }

  /** @returns {Promise<Blob>} WAV of all audio that is stored */
  async wav() {
    return this._wav(await this.tape.start(), this.tape.end);
  }

  async _wav(from, to) {
    const end = Math.min(to, this.tape.end);
    const parts = [this.format.wavHeader(Math.max(0, end - from))];
    let position = from;
    while (position < end) {
      const audio = await this.tape.read(position, Math.min(PART_BYTES, end - position));
      parts.push(new Blob([audio]));
      position += audio.length;
    }
    return new Blob(parts, { type: "audio/wav" });
  }

  _startSaving() {
    if (this._journal && !this._isSaved) this._saving ??= this._save();
  }

  async _save() {
    await null; // the rest of the event that changed the row
    while (!this._isSaved && (await this._write()));
    this._saving = null;
  }

  /** Store the row and its results; return whether the journal has them. */
  async _write() {
    const { settings, commands } = this.buffer;
    const results = [...this._unsavedResults];
    this._row = { ...this._row, settings, commands, resume: this.tracker.toJSON() };
    this._isSaved = true;
    try {
      await this._journal.putRecording(this._row, results);
    } catch (error) {
      this._isSaved = false;
      this._hasFailed = true;
      this._report(error);
      return false;
    }
    this._unsavedResults.splice(0, results.length);
    this._onSaved();
    return true;
  }

  _onSaved() {
    this._isStored = true;
    this._hasFailed = false;
    if (!this.tape.hasFailed) this._report(null);
  }

  /** @param {DOMException | null} error */
  _onAudioWritten(error) {
    if (error || !this._hasFailed) this._report(error);
    else this._startSaving(); // and reports
  }

  /** @param {DOMException | null} error */
  _report(error) {
    if (!error && !this._isFailureReported) return;
    this._isFailureReported = error !== null;
    this._onStorage(error);
  }
}
