// @ts-check
/**
 * Recordings of this page and of earlier ones, and their text in the sheet.
 *
 * @typedef {import("./messages.js").State} State
 * @typedef {import("../recording/dictation.js").Dictation} Dictation
 * @typedef {{number: number, offsetMs: number, dictation: Dictation, status: string, tried: string, hasEnded: boolean}}
 *   Known `status`: of its failure. `tried`: the settings of its last attempt, as JSON
 */
import { sanitizeTranscript } from "../sheet/graphemes.js";
import { session } from "../storage.js";
import { t } from "../strings.js";
import { ABORTED, errorInWords, inWords } from "./messages.js";

const LOAD = () => import("../recording/dictation.js"); // only when needed: the page appears sooner
const OPEN_KEY = "stt-recording-id"; // in sessionStorage: the recording of this tab, to continue it after a reload
const MAX_ENDED = 20; // recordings whose audio is played from memory; that of earlier ones is read from the storage
const UNAUTHENTICATED = "UNAUTHENTICATED";
const INVALID_ARGUMENT = "INVALID_ARGUMENT";
/** @type {State} */
const IDLE = { state: "idle", keptMs: 0, reason: "", status: "", kind: "", isCapturing: false, captureProblem: null };

/**
 * Dispatches "state" (detail: State), "level" (detail: {rms, peak, recordedMs}), "final" (detail: {text}), "notice"
 * (detail: message), "unauthenticated", "unreachable" (once for each loss of the connection), "aborted" (by an operator).
 */
export class Recorder extends EventTarget {
  #sheet;
  #preferences;
  /** @type {Dictation | null} */ #current = null;
  /** @type {Map<string, Known>} */ #recordings = new Map(); // by id
  #interrupted = session.get(OPEN_KEY); // by a reload, before this page sets another one
  #isStarting = false;
  #isStopRequested = false;
  /** @type {State} */ state = IDLE;

  /**
   * @param {import("../sheet/sheet.js").Sheet} sheet
   * @param {import("./preferences.js").Preferences} preferences
   */
  constructor(sheet, preferences) {
    super();
    this.#sheet = sheet;
    this.#preferences = preferences;
  }

  get isRecording() {
    return this.#isStarting || this.state.isCapturing;
  }

  async start() {
    if (this.isRecording) return;
    this.#isStarting = true;
    this.#isStopRequested = false;
    this.#setState({ ...IDLE, state: "starting" });
    try {
      const { Dictation } = await LOAD();
      this.#current = this.#attach(new Dictation(this.#options()));
      await this.#current.start(this.#preferences.get("device") || undefined);
    } catch (error) {
      this.#setState(IDLE);
      this.#notify(errorInWords(error));
    } finally {
      this.#isStarting = false;
    }
    if (this.#isStopRequested) await this.stop(); // a key was released before the microphone was open
  }

  async stop() {
    if (this.#isStarting) this.#isStopRequested = true;
    else await this.#current?.stop();
  }

  toggle() {
    return this.isRecording ? this.stop() : this.start();
  }

  /** Use changed settings from the next utterance on, and for recordings whose settings were rejected. */
  update() {
    for (const known of this.#recordings.values()) {
      const isRunning = this.state.isCapturing && known.dictation === this.#current;
      if (known.status === INVALID_ARGUMENT) this.#retryWithSettings(known);
      else if (isRunning) known.dictation.update(this.#preferences.updatedSettings());
    }
  }

  /** Publish the text of the current recording as the user has chosen now. */
  publish() {
    if (this.state.isCapturing) this.#current?.publish(this.#preferences.captions());
  }

  /** Try again if the settings have changed since they were rejected. @param {Known} known */
  #retryWithSettings(known) {
    const settings = this.#preferences.streamSettings();
    const tried = JSON.stringify(settings);
    if (tried === known.tried) return;
    known.tried = tried;
    known.dictation.reconnect({ settings });
  }

  /** Try failed recordings again, with the current token. */
  reconnect() {
    const token = this.#preferences.token;
    for (const { dictation } of this.#recordings.values()) dictation.reconnect({ token });
  }

  /**
   * Recordings that are not recognized completely. The one that a reload of this tab has interrupted is resumed at once.
   * @returns {Promise<{id: string, startedAt: number, unrecognizedMs: number, resume(): Promise<void>,
   *   discard(): Promise<void>}[]>}
   */
  async recoverable() {
    const interrupted = this.#interrupted;
    const { Dictation } = await LOAD();
    const entries = (await Dictation.recover(this.#options())).map((entry) => ({
      ...entry,
      resume: () => this.#resume(entry),
    }));
    await entries.find(({ id }) => id === interrupted)?.resume();
    return entries.filter(({ id }) => id !== interrupted);
  }

  /**
   * Recognize the rest of a recording, and insert the finals that the sheet lost in a crash.
   * @param {import("../recording/recovery.js").Recoverable} entry
   */
  async #resume({ id, startedAt, results, resume }) {
    const dictation = this.#attach(/** @type {Dictation} */ (await resume()));
    this.#known(id, dictation, startedAt);
    if (!this.isRecording) this.#current = dictation;
    for (const result of results) {
      if (/** @type {{type: string}} */ (result).type === "final") this.#insert(id, result, dictation);
    }
  }

  /**
   * The audio of an utterance, as WAV.
   * @param {string} recording
   * @param {number} utterance
   */
  async audioOf(recording, utterance) {
    const known = this.#recordings.get(recording);
    if (known) return known.dictation.audioOf(utterance, recording);
    const { Dictation } = await LOAD();
    return Dictation.storedAudioOf(recording, utterance);
  }

  /** The audio of the last recording, as WAV. */
  async download() {
    const current = this.#current;
    if (current?.recordingId) return current.download();
    const last = this.#sheet.marks.last?.spoken.recording;
    if (!last) throw new Error(t("noAudio"));
    const { Dictation } = await LOAD();
    return Dictation.storedDownload(last);
  }

  #options() {
    return {
      baseUrl: location.origin,
      token: this.#preferences.token,
      settings: this.#preferences.streamSettings(),
      captions: this.#preferences.captions(),
      audio: { noiseSuppression: this.#preferences.get("noiseSuppression") },
    };
  }

  /** @param {Dictation} dictation */
  #attach(dictation) {
    const on = (/** @type {string} */ name, /** @type {(detail: any) => void} */ handle) =>
      dictation.addEventListener(name, (event) => handle(/** @type {CustomEvent} */ (event).detail));
    on("state", (detail) => this.#onState(dictation, detail));
    on("level", (detail) => dictation === this.#current && this.#emit("level", detail));
    on("speech", (detail) => this.#sheet.begin(this.#utterance(detail, dictation)));
    on("partial", (detail) => {
      this.#sheet.partial(this.#utterance(detail, dictation), detail.stable + detail.unstable);
    });
    on("final", (detail) => this.#onFinal(detail, dictation));
    on("suppressed", (detail) => this.#sheet.discard(this.#utterance(detail, dictation)));
    on("notice", ({ kind, reason, ...detail }) => this.#notify(inWords({ ...detail, kind: kind ?? reason })));
    on("storage", (detail) => detail.kind !== "available" && this.#notify(inWords(detail)));
    return dictation;
  }

  /**
   * @param {any} detail of a final
   * @param {Dictation} dictation
   */
  #onFinal(detail, dictation) {
    if (this.#insert(detail.recording, detail, dictation)) this.#emit("final", { text: sanitizeTranscript(detail.text) });
  }

  /**
   * Insert a final that the sheet does not have yet; return whether it did not.
   * @param {string} recording
   * @param {any} detail
   * @param {Dictation} dictation
   */
  #insert(recording, detail, dictation) {
    const utterance = this.#utterance({ recording, utterance: detail.utterance }, dictation);
    if (this.#sheet.marks.wasInserted(recording, utterance.number)) {
      this.#sheet.discard(utterance);
      return false;
    }
    const { text, startMs, endMs, words = [] } = detail;
    const offsetMs = this.#recordings.get(recording)?.offsetMs ?? 0;
    this.#sheet.final(utterance, { recording, offsetMs, text, startMs, endMs, words });
    return true;
  }

  /**
   * @param {{recording: string, utterance: number}} detail
   * @param {Dictation} dictation
   */
  #utterance({ recording, utterance }, dictation) {
    return { dictation: this.#known(recording, dictation).number, number: Number(utterance) };
  }

  /**
   * What is known of a recording; its number orders the text of several that are open.
   * @param {string} id
   * @param {Dictation} dictation
   * @param {number} startedAt as of Date.now()
   */
  #known(id, dictation, startedAt = Date.now()) {
    let known = this.#recordings.get(id);
    if (!known) {
      const tried = JSON.stringify(this.#preferences.streamSettings());
      known = { number: startedAt, offsetMs: this.#sheet.marks.offsetOf(id), dictation, status: "", tried, hasEnded: false };
      this.#recordings.set(id, known);
    }
    return known;
  }

  /**
   * @param {Dictation} dictation
   * @param {State & {recording: string | null}} detail
   */
  #onState(dictation, detail) {
    if (detail.recording) this.#onRecordingState(this.#known(detail.recording, dictation), detail);
    if (dictation !== this.#current) return;
    if (detail.recording) session.set(OPEN_KEY, detail.recording);
    if (detail.state === "offline" && this.state.state !== "offline") this.#emit("unreachable", null);
    if (detail.status === ABORTED && this.state.status !== ABORTED) this.#emit("aborted", null);
    this.#setState(detail);
  }

  /**
   * A failed recording keeps its partials pending: their finals follow once the reason is removed, also after a reload.
   * A state is repeated each second, but a rejected token is reported once for each attempt.
   * @param {Known} known
   * @param {State} state
   */
  #onRecordingState(known, { state, status }) {
    const wasUnauthenticated = known.status === UNAUTHENTICATED;
    known.status = state === "failed" ? status : "";
    if (known.status === UNAUTHENTICATED && !wasUnauthenticated) this.#emit("unauthenticated", null);
    if (state === "idle") this.#onEnded(known);
    if (known.status === INVALID_ARGUMENT) queueMicrotask(() => this.#retryWithSettings(known));
  }

  /** @param {Known} known */
  #onEnded(known) {
    this.#sheet.endDictation(known.number);
    known.hasEnded = true;
    const ended = [...this.#recordings].filter(([, { hasEnded }]) => hasEnded);
    for (const [id] of ended.slice(0, -MAX_ENDED)) this.#recordings.delete(id);
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
