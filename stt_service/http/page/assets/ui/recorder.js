// @ts-check
/**
 * Recordings of this page and of earlier ones: starting, stopping, continuing, and the state that the page shows.
 *
 * @typedef {import("./messages.js").State} State
 * @typedef {import("../recording/dictation.js").Dictation} Dictation
 * @typedef {import("../recording/recovery.js").Recoverable} Recoverable
 * @typedef {import("./followed-recordings.js").FollowedRecording} FollowedRecording
 */
import { session } from "../storage.js";
import { t } from "../strings.js";
import { within } from "../within.js";
import { FollowedRecordings, INVALID_ARGUMENT } from "./followed-recordings.js";
import { ABORTED, errorInWords, inWords } from "./messages.js";
import { RecordedText } from "./recorded-text.js";
import { IDLE, RecordingStates } from "./recording-states.js";
import { UnstoredSpeech } from "./unstored-speech.js";

const loadDictation = () => import("../recording/dictation.js"); // only when needed: the page appears sooner
const OPEN_KEY = "stt-recording-id"; // in sessionStorage: the recording of this tab, to continue it after a reload
const LAST_WORDS_MS = 5000;
const RESTORE_TIMEOUT_MS = 3000;
const UNAUTHENTICATED = "UNAUTHENTICATED";

/**
 * Dispatches "state" (detail: State), "level" (detail: {rms, peak, recordedMs}), "final" (detail: {text}), "notice"
 * (detail: message), "unauthenticated", "unreachable" (once for each loss of the connection), "aborted" (by an operator),
 * "storage" (detail: kinds of the failures for which audio is only in memory).
 */
export class Recorder extends EventTarget {
  #sheet;
  #sheetId;
  #preferences;
  /** @type {Dictation | null} */ #current = null; // the last one that was started or resumed
  #states = new RecordingStates();
  #recordings;
  #text;
  #unstored;
  #restoring = Promise.resolve();
  #isStarting = false;
  isStopRequested = false; // while the microphone still opens
  /** @type {State} */ state = IDLE;

  /**
   * @param {import("../sheet/sheet.js").Sheet} sheet
   * @param {string} sheetId
   * @param {import("./preferences.js").Preferences} preferences
   */
  constructor(sheet, sheetId, preferences) {
    super();
    this.#sheet = sheet;
    this.#sheetId = sheetId;
    this.#preferences = preferences;
    this.#recordings = new FollowedRecordings(preferences);
    this.#text = new RecordedText(sheet, this.#recordings);
    this.#unstored = new UnstoredSpeech(this.#recordings);
  }

  get isRecording() {
    return this.#isStarting || this.state.isCapturing;
  }

  /** Whether a recording has no text yet for all of its audio. */
  get isWaiting() {
    return this.#recordings.waiting.length > 0;
  }

  /** Whether the server may still complete the text of the recording that has stopped. */
  get isAnswerExpected() {
    return this.state.state === "stopping" && !this.state.reason;
  }

  /** When the last recording with text in the sheet began: by it and later ones, text and subtitles are ordered. */
  get #lastStartOfSheet() {
    const marks = this.#sheet.marks.inOrder();
    return marks.reduce((last, { spoken }) => Math.max(last, spoken.startedAt), this.#recordings.lastStart);
  }

  async start() {
    this.isStopRequested = false;
    if (this.isRecording) return;
    this.#isStarting = true;
    this.#setState({ ...IDLE, state: "starting" });
    await within(RESTORE_TIMEOUT_MS, this.#restoring); // its text comes first, if the storage responds
    const before = this.#current;
    this.#current = null;
    try {
      const { Dictation } = await loadDictation();
      const options = { ...this.#recordings.options(this.#sheetId), after: this.#lastStartOfSheet };
      this.#current = this.#attach(new Dictation(options));
      await this.#current.start(this.#preferences.get("device") || undefined);
    } catch (error) {
      this.#isStarting = false;
      this.#current = before;
      this.#show();
      this.#notify(errorInWords(error));
    } finally {
      this.#isStarting = false;
    }
    if (this.isStopRequested) await this.stop(); // a key was released before the microphone was open
  }

  async stop() {
    if (this.#isStarting) this.isStopRequested = true;
    else await this.#current?.stop();
  }

  toggle() {
    return this.isRecording ? this.stop() : this.start();
  }

  /** Use a value that the user has changed. @param {string} name of the preference */
  apply(name) {
    this.#recordings.apply(name, this.isRecording ? this.#current : null);
  }

  /** Try failed recordings again. */
  retry() {
    this.#recordings.retry();
  }

  /** The tab has begun another sheet: text that comes from now on belongs to it. @param {string} id */
  changeSheet(id) {
    this.#sheetId = id;
    this.#recordings.deliverTo(id, this.#current);
  }

  /** Wait for the last words of recordings that have stopped, if the server answers soon. */
  async lastWords() {
    const stopped = this.#recordings.waiting.map((dictation) => dictation.stop());
    await within(LAST_WORDS_MS, Promise.all(stopped));
  }

  /** Try again to store audio that only memory has. */
  async store() {
    await this.#unstored.store();
  }

  /**
   * Stop receiving text before the tab takes another sheet: recordings continue in their own one, or are offered.
   * Return false if the user keeps speech that would be lost.
   */
  async abandon() {
    if (!(await this.#unstored.mayClose())) return false;
    await Promise.all(this.#recordings.waiting.map((dictation) => dictation.abandon()));
    return true;
  }

  /**
   * Insert the finals that the sheet is missing, and continue the recording of this sheet that a reload of the tab has
   * interrupted. Recordings start after it.
   */
  restore() {
    this.#restoring = this.#restore().catch((error) => this.#notify(errorInWords(error)));
    return this.#restoring;
  }

  /** Recordings of other pages that are not recognized completely, and that no tab continues. */
  async recoverable() {
    const { Dictation } = await loadDictation();
    const entries = await Dictation.recover(this.#recordings.options(this.#sheetId));
    return entries.map((entry) => ({
      ...entry,
      resume: () => this.#resume(entry, null),
      discard: () => entry.discard().then(() => this.store()), // there may be room now
    }));
  }

  async #restore() {
    const interrupted = session.get(OPEN_KEY); // before this page sets another one
    const { Dictation } = await loadDictation();
    const options = this.#recordings.options(this.#sheetId);
    await this.#text.insertMissing(Dictation, options).catch((error) => this.#notify(errorInWords(error)));
    const unrecognized = await Dictation.recover(options);
    const own = unrecognized.find(({ id, sheet }) => id === interrupted && sheet === this.#sheetId);
    if (own) await this.#resume(own);
  }

  /**
   * Recognize the rest of a recording; its text goes to the sheet of this tab.
   * @param {Recoverable} entry
   * @param {ReturnType<import("./preferences.js").Preferences["captions"]>} captions under which it may be published
   */
  async #resume(entry, captions = this.#preferences.captions()) {
    const options = { ...this.#recordings.options(this.#sheetId), captions };
    const dictation = this.#attach(/** @type {Dictation} */ (await entry.resume(options)));
    this.#keepPlace(this.#recordings.add(entry.id, dictation));
    if (!this.isRecording) this.#current = dictation;
  }

  /**
   * The audio of an utterance, as WAV.
   * @param {string} recording
   * @param {number} utterance
   */
  async audioOf(recording, utterance) {
    const followed = this.#recordings.get(recording);
    if (followed) return followed.dictation.audioOf(utterance, recording);
    const { Dictation } = await loadDictation();
    return Dictation.storedAudioOf(recording, utterance);
  }

  /** The audio of the last recording, as WAV. */
  async download() {
    const current = this.#current;
    if (current?.recordingId) return current.download();
    const last = this.#sheet.marks.last?.spoken.recording;
    if (!last) throw new Error(t("noAudio"));
    const { Dictation } = await loadDictation();
    return Dictation.storedDownload(last);
  }

  /** @param {Dictation} dictation */
  #attach(dictation) {
    const on = (/** @type {string} */ name, /** @type {(detail: any) => void} */ handle) =>
      dictation.addEventListener(name, (event) => handle(/** @type {CustomEvent} */ (event).detail));
    on("state", (detail) => this.#onState(dictation, detail));
    on("level", (detail) => dictation === this.#current && this.#emit("level", detail));
    this.#text.receive(on, (text) => this.#emit("final", { text }));
    on("notice", ({ kind, reason, ...detail }) => this.#notify(inWords({ ...detail, kind: kind ?? reason })));
    on("storage", (detail) => this.#onStorage(dictation, detail));
    return dictation;
  }

  /**
   * @param {Dictation} dictation
   * @param {{kind: string, message: string}} detail
   */
  #onStorage(dictation, { kind, message }) {
    if (kind === "stopped") return this.#notify(inWords({ kind, message }));
    this.#emit("storage", this.#unstored.report(dictation, kind));
  }

  /**
   * @param {Dictation} dictation
   * @param {State & {recording: string | null}} detail
   */
  #onState(dictation, detail) {
    this.#states.set(dictation, detail);
    if (detail.state === "idle") this.#onStorage(dictation, { kind: "available", message: "" });
    const { recording } = detail;
    if (recording) {
      const followed = this.#recordings.get(recording) ?? this.#recordings.add(recording, dictation);
      this.#onRecordingState(followed, detail);
    }
    this.#show();
  }

  #show() {
    if (this.#isStarting && !this.#current) return; // "starting" is shown
    const { dictation, state } = this.#states.shown(this.#current, this.#recordings.waiting, this.#isStarting);
    if (state.status === ABORTED)
      session.remove(OPEN_KEY); // it is not continued without the user
    else if (dictation?.recordingId) session.set(OPEN_KEY, dictation.recordingId);
    if (state.state === "offline" && this.state.state !== "offline") this.#emit("unreachable", null);
    if (state.status === ABORTED && this.state.status !== ABORTED) this.#emit("aborted", null);
    this.#setState(state);
  }

  /**
   * A failed recording keeps its partials pending: their finals follow once the reason is removed, also after a reload.
   * A state is repeated each second, but a rejected token is reported once for each attempt.
   * @param {FollowedRecording} followed
   * @param {State} state
   */
  #onRecordingState(followed, { state, status, isCapturing }) {
    const wasUnauthenticated = followed.status === UNAUTHENTICATED;
    followed.status = state === "failed" ? status : "";
    if (followed.status === UNAUTHENTICATED && !wasUnauthenticated) this.#emit("unauthenticated", null);
    if (!isCapturing && !followed.isPlaced) this.#keepPlace(followed);
    if (state === "idle") {
      this.#sheet.endDictation(followed.startedAt);
      this.#recordings.end(followed);
    }
    if (followed.status === INVALID_ARGUMENT) queueMicrotask(() => this.#recordings.retryWithSettings(followed));
  }

  /** What is spoken or typed from now on follows the text of the recording. @param {FollowedRecording} followed */
  #keepPlace(followed) {
    followed.isPlaced = true;
    this.#sheet.keepPlace(followed.startedAt);
  }

  /** @param {State} state */
  #setState(state) {
    this.state = state;
    this.#emit("state", state);
  }

  /** @param {string} message */
  #notify(message) {
    if (message) this.#emit("notice", message);
  }

  /**
   * @param {string} name
   * @param {unknown} detail
   */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
