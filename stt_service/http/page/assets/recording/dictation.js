/**
 * Dictation in a page: microphone in, text out, and no word lost when the server, the network or the tab fails.
 *
 *   const dictation = new Dictation({ baseUrl: location.href, settings: { language: "ru" } });
 *   dictation.addEventListener("final", ({ detail }) => append(detail.text));
 *   await dictation.start();
 *
 * All audio is written to the browser's storage while it is recorded. Without a server the recording goes on, and the
 * text follows once the server returns, also after a reload of the page (`Dictation.recover`).
 *
 * Events are CustomEvents. Each `detail` has `recording`, the id of the recording; an utterance is identified by
 * `recording` and `utterance`, also over reloads. A reloaded page may receive a final again that it already has: the
 * crash can have been between the event and its entry in the journal.
 *
 *   state       {state, keptMs, reason, status, kind, isCapturing, captureProblem}: `keptMs` of audio have no text yet;
 *               repeated each second while they change without a connection. `status` is that of a failure, such as
 *               UNAUTHENTICATED; `kind` names a reason of this module for translations. `captureProblem`, {kind,
 *               message} or null: why a recording receives no audio now, or why it ended without the user
 *   level       {rms, peak, recordedMs}, 20 times a second: 0 to 1, and the duration of the recording so far
 *   speech      {utterance, startMs}: an utterance began
 *   partial     {utterance, stable, unstable, startMs}: `stable` only grows, except after a reconnection
 *   final       {utterance, text, startMs, endMs, language, confidence, endpoint, words: [{text, startMs, endMs,
 *               confidence}]}
 *   suppressed  {utterance, startMs, endMs, reason, endpoint}: an utterance without reliable text
 *   notice      {message, kind, values} or, of the server, {message, reason}: for the user
 *   storage     {kind: "full" | "unavailable" | "available" | "stopped", message}: the recording goes on in memory, or
 *               was stopped
 *
 * Texts and messages are as the server sent them: show them by `textContent` only.
 */

import { randomId } from "../random.js";
import { AudioStorage } from "./audio-storage.js";
import { missingFinals } from "./delivery.js";
import { openJournal } from "./journal.js";
import { DictationError } from "./microphone.js";
import { deleteUnlessOpen, lockRecording } from "./recording-lock.js";
import { Recording } from "./recording.js";
import { reopenRecording, settleRecordings, storedRecording } from "./recovery.js";
import { Session } from "./session.js";
import { RecordingError } from "./tape.js";

export { DictationError };

/**
 * @typedef {{name: string, key: string, viewerKey: string}} Captions
 *
 * @typedef {{baseUrl: string, token?: string, settings?: object, captions?: Captions | null,
 *   audio?: MediaTrackConstraints, budgetBytes?: number, journal?: import("./journal.js").Journal | null,
 *   sheet?: string, after?: number}} Options
 *   `baseUrl`: of the page's server. `settings`: proto3 JSON of `Settings` in stt.proto. `captions`: publish the text
 *   under a name. `audio`: constraints such as `noiseSuppression`. `budgetBytes`: audio kept for playback and download.
 *   `journal`: the opened storage; null: memory only. Opened when omitted. `sheet`: id of the text that receives the
 *   results, for `Dictation.missing`. `after`: when the recording before began; a new one begins later, also if the clock
 *   was set back.
 */

export class Dictation extends EventTarget {
  /** @param {Options} options */
  constructor({ baseUrl, token = "", settings = {}, captions = null, audio = {}, budgetBytes, journal, ...options }) {
    super();
    this._target = { baseUrl, token, captions };
    this._settings = settings;
    this._audio = audio;
    this._sheet = options.sheet ?? "";
    this._after = options.after;
    const report = (storage) => this._dispatch("storage", { ...storage, recording: this.recordingId });
    this._storage = new AudioStorage(report, journal, budgetBytes);
    this._isStarting = false;
    /** @type {Session | null} */
    this._session = null;
    /** @type {Map<string, Recording>} recordings of this object */
    this._recordings = new Map();
  }

  /**
   * Return recordings in storage that have audio without text and are not open in another tab: after a reload, a crash,
   * or a stop without a server. Recordings without any audio are deleted. `resume` uses the options with their changes
   * since, and without settings those of the recording; it returns a Dictation without a microphone, whose events follow
   * in a later task.
   * @param {Options} options
   * @returns {Promise<import("./recovery.js").Recoverable[]>}
   */
  static async recover(options) {
    const journal = await journalOf(options);
    const resume = (id, changes) => {
      const current = { ...options, ...changes, journal };
      return new Dictation(current)._resume(id, current.settings);
    };
    const entries = journal ? await settleRecordings(journal) : [];
    return entries.map((entry) => ({
      ...entry,
      resume: (changes) => resume(entry.id, changes),
      discard: () => discardRecording(journal, entry.id),
    }));
  }

  /**
   * Return the finals in storage that the sheet of the options does not have although they belong to it, and the ids of
   * all recordings in storage; null without storage. Call it when the sheet is opened, before `resume` and `start`.
   * @param {Options} options
   * @param {(recording: string, utterance: number) => boolean} wasInserted whether the sheet has a final; see delivery.js
   */
  static async missing(options, wasInserted) {
    const journal = await journalOf(options);
    return journal && missingFinals(journal, options.sheet ?? "", wasInserted);
  }

  /**
   * Return the audio of an utterance of a recording in storage, as WAV.
   * @param {string} recording
   * @param {number} utterance
   */
  static async storedAudioOf(recording, utterance) {
    return (await storedRecording(recording)).audioOf(utterance);
  }

  /** Return all stored audio of a recording, as WAV. @param {string} recording */
  static async storedDownload(recording) {
    return (await storedRecording(recording)).wav();
  }

  /** Id of the current or last recording; null before the first. */
  get recordingId() {
    return this._session?.recording.id ?? null;
  }

  /** When the current or last recording began, as of Date.now(); 0 before the first. */
  get startedAt() {
    return this._session?.recording.startedAt ?? 0;
  }

  /** Milliseconds of audio without text that are lost when the page closes. */
  get unstoredMs() {
    return this._session?.isOpen ? this._session.recording.unstoredMs : 0;
  }

  /**
   * Record from a microphone, also without a server.
   * @param {string} [deviceId] of `navigator.mediaDevices.enumerateDevices`; the default device without it
   * @throws {DictationError}
   */
  async start(deviceId) {
    if (this._isStarting || this._session?.isCapturing) return;
    this._isStarting = true;
    this._emitState("starting", "");
    try {
      await this._storage.open();
      await this._record(deviceId);
    } catch (error) {
      this._emitState("idle", error.message);
      throw error;
    } finally {
      this._isStarting = false;
    }
    this._storage.keep();
  }

  /**
   * End the recording.
   * @returns {Promise<{isComplete: boolean, keptMs: number}>} once all text has arrived, or, without a server, once the
   *   audio is stored. Then the text follows when the server returns.
   */
  async stop() {
    return this._session ? this._session.stop() : { isComplete: true, keptMs: 0 };
  }

  /** Change settings from the next utterance on. @param {object} settings proto3 JSON of the changed fields */
  update(settings) {
    this._settings = { ...this._settings, ...settings };
    this._session?.command({ update: settings });
  }

  /** Publish the text under other captions from now on. @param {Captions | null} captions */
  publish(captions) {
    if (JSON.stringify(captions) === JSON.stringify(this._target.captions)) return;
    this._target = { ...this._target, captions };
    this._session?.publish(captions);
  }

  /** Results from now on belong to another sheet. @param {string} sheet */
  deliverTo(sheet) {
    this._sheet = sheet;
    if (this._session?.isOpen) this._session.recording.deliverTo(sheet);
  }

  /** Try again after the state "failed". @param {{token?: string, settings?: object}} [changes] settings: all of them */
  reconnect({ settings, ...target } = {}) {
    this._target = { ...this._target, ...target };
    this._session?.connect(target, settings);
  }

  /** Resolve once the storage has the audio, has refused it again, or does not answer. */
  async flush() {
    await this._session?.flush();
  }

  /** Close everything at once; the audio without text can be recovered. */
  async abandon() {
    await this._session?.abandon();
  }

  /**
   * Return the audio of an utterance as WAV.
   * @param {number} utterance
   * @param {string} [recording] id; the current one without it
   */
  async audioOf(utterance, recording = this.recordingId) {
    return this._recording(recording).audioOf(utterance);
  }

  /** Return the audio of the whole recording as WAV. */
  async download() {
    return this._recording(this.recordingId).wav();
  }

  _recording(id) {
    const recording = this._recordings.get(id);
    if (!recording) throw new RecordingError("none", "There is no recording.");
    return recording;
  }

  async _record(deviceId) {
    const id = randomId();
    const release = await lockRecording(id);
    const device = deviceId ? { deviceId: { exact: deviceId } } : {};
    const constraints = { ...DEFAULT_CONSTRAINTS, ...this._audio, ...device };
    try {
      await Session.record(constraints, (rateHz) => {
        const { journal, onWrite } = this._storage;
        const recording = Recording.begin(journal, id, rateHz, this._settings, onWrite, this._after);
        return this._open(recording, release);
      });
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Recognize the rest of a recording of an earlier page, with its own settings unless others are given. It is published
   * only under the captions that it had, if the user publishes them now, too.
   */
  async _resume(id, settings) {
    const release = await lockRecording(id);
    if (!release) throw new RecordingError("open-elsewhere", "The recording is open in another tab.");
    try {
      const { journal, onWrite } = this._storage;
      const recording = await reopenRecording(journal, id, onWrite);
      if (recording.captionsName !== this._target.captions?.name) this.publish(null);
      const session = this._open(recording, release);
      setTimeout(() => session.connect({}, settings)); // after the caller has added its listeners
      return this;
    } catch (error) {
      release();
      throw error;
    }
  }

  _open(recording, release) {
    if (this._sheet) recording.deliverTo(this._sheet);
    recording.publishAs(this._target.captions);
    this._recordings.set(recording.id, recording);
    const emit = (type, detail) => this._emit(type, detail, session);
    const session = new Session(recording, this._target, emit, release);
    this._session = session;
    return session;
  }

  /** Dispatch an event of a session; an earlier one that still waits for text does not change the state. */
  _emit(type, detail, session) {
    if (type === "state" && session !== this._session) return;
    if (type === "final") this._storage.keepThrottled();
    this._dispatch(type, { recording: session.recording.id, ...detail });
  }

  _emitState(state, reason) {
    const nothing = { keptMs: 0, status: "", kind: "", isCapturing: false, captureProblem: null };
    this._dispatch("state", { ...nothing, state, reason, recording: this.recordingId });
  }

  _dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// Recognition models expect natural levels; automatic gain raises noise in pauses.
const DEFAULT_CONSTRAINTS = {
  channelCount: { ideal: 1 },
  autoGainControl: false,
  echoCancellation: false,
  noiseSuppression: true,
};

async function journalOf({ journal }) {
  return journal === undefined ? openJournal().catch(() => null) : journal;
}

async function discardRecording(journal, id) {
  if (await deleteUnlessOpen(journal, id)) return;
  throw new RecordingError("open-elsewhere", "The recording is open in another tab.");
}
