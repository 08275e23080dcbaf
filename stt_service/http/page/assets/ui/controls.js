// @ts-check
/** The record button with its level ring, the timer, the state in words, and the keys that record. */
import { element } from "../element.js";
import { commandKey } from "../keys.js";
import { t } from "../strings.js";
import { announce } from "./announcer.js";
import { announcementOf, stateInWords } from "./messages.js";

export const HOLD_KEYS = ["Space", "F2", "F4", "F8", "none"];
const CONTROLS = "button, a, input, select, textarea, [contenteditable]";

export class Controls {
  #recorder;
  #preferences;
  #facts;
  #button = element("record");
  #state = element("state");
  #retry = element("retry");
  /** @type {string | null} */ #announcement = null; // of the last state
  #timer = element("timer");
  #hint = element("hint");
  #isHeld = false;

  /**
   * @param {import("./recorder.js").Recorder} recorder
   * @param {import("./preferences.js").Preferences} preferences
   * @param {import("./server-facts.js").ServerFacts} facts
   */
  constructor(recorder, preferences, facts) {
    this.#recorder = recorder;
    this.#preferences = preferences;
    this.#facts = facts;
    this.#button.addEventListener("click", () => this.#toggle());
    this.#retry.addEventListener("click", () => recorder.retry());
    recorder.addEventListener("state", () => this.show());
    recorder.addEventListener("level", (event) => {
      if (recorder.isRecording) this.#onLevel(/** @type {CustomEvent} */ (event).detail); // the last ones come later
    });
    preferences.addEventListener("change", () => this.show());
    facts.addEventListener("change", () => this.show());
    addEventListener("keydown", (event) => this.#keyDown(event));
    addEventListener("keyup", (event) => this.#keyUp(event));
    addEventListener("blur", () => this.#release());
    for (const moved of ["focusin", "focusout"]) document.addEventListener(moved, () => this.#showHint());
    this.show();
  }

  show() {
    const { isRecording, state } = this.#recorder;
    const isUnreachable = state.state === "idle" && !this.#facts.isReachable;
    const shown = isUnreachable ? { ...state, state: "idleUnreachable" } : state;
    const { words, kept } = stateInWords(shown);
    this.#announceChange(announcementOf(shown));
    document.body.dataset.state = state.captureProblem ? "no-audio" : state.state;
    this.#state.textContent = `${words}${kept}`;
    this.#showRetry(state.state === "failed");
    this.#button.dataset.action = isRecording ? "stop" : "record";
    this.#button.setAttribute("aria-label", t(isRecording ? "stop" : "record"));
    this.#button.title = t(isRecording ? "stop" : "record");
    const title = t(state.captureProblem ? "titleNoAudio" : "titleRecording");
    document.title = isRecording ? `${title} · ${t("title")}` : t("title");
    this.#showTimer(isRecording);
    if (!state.isCapturing || state.captureProblem) this.#showLevel(0);
    if (!state.isCapturing) this.#showTime(0);
  }

  /** Announce a state once, although it is reported each second. @param {string} announcement */
  #announceChange(announcement) {
    const isFirst = this.#announcement === null; // of the page, which a screen reader reads
    if (announcement && announcement !== this.#announcement && !isFirst) announce(announcement);
    this.#announcement = announcement;
  }

  /** @param {boolean} isShown */
  #showRetry(isShown) {
    if (!isShown && this.#retry === document.activeElement) this.#button.focus(); // a hidden button loses the focus
    this.#retry.hidden = !isShown;
  }

  /** @param {boolean} isRecording */
  #showTimer(isRecording) {
    this.#showHint();
    this.#timer.hidden = !isRecording;
  }

  /** Name a key that records where the focus is: Space types in the text. */
  #showHint() {
    const holdKey = this.#preferences.get("pushToTalk");
    const isTyped = holdKey === "Space" && isControl(document.activeElement);
    this.#hint.textContent = isTyped
      ? t("hintCommand", { key: `${commandKey}+Enter` })
      : t("hint", { key: keyName(holdKey) });
    this.#hint.hidden = this.#recorder.isRecording || holdKey === "none";
  }

  /** @param {{rms: number, recordedMs: number}} level */
  #onLevel({ rms, recordedMs }) {
    this.#showLevel(rms);
    this.#showTime(recordedMs);
  }

  /** Show how much is recorded: time without audio does not count. @param {number} recordedMs */
  #showTime(recordedMs) {
    const seconds = Math.floor(recordedMs / 1000);
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor(seconds / 60) % 60;
    const clock = `${String(seconds % 60).padStart(2, "0")}`;
    const time = hours ? `${hours}:${String(minutes).padStart(2, "0")}:${clock}` : `${minutes}:${clock}`;
    if (this.#timer.textContent !== time) this.#timer.textContent = time; // levels arrive more often
  }

  /** @param {number} rms */
  #showLevel(rms) {
    const decibels = 20 * Math.log10(Math.max(rms, 1e-4)); // -60 dB shows nothing, -10 dB the whole ring
    const share = Math.min(1, Math.max(0, (decibels + 60) / 50));
    this.#button.style.setProperty("--level", share.toFixed(2));
  }

  #toggle() {
    this.#preferences.set("recordsOnOpen", !this.#recorder.isRecording);
    this.#recorder.toggle();
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    if (event.isComposing) return;
    const isCommand = event.ctrlKey || event.metaKey;
    if (isCommand && event.key === "Enter" && !event.repeat) {
      if (document.querySelector("dialog[open]")) return; // it hides the recording
      event.preventDefault();
      this.#toggle();
    } else if (event.key === "Escape" && this.#recorder.isRecording && !isDialogOpen()) {
      event.preventDefault();
      this.#toggle();
    } else if (!isCommand && !event.altKey && event.code === this.#preferences.get("pushToTalk")) {
      this.#hold(event);
    }
  }

  /** @param {KeyboardEvent} event */
  #hold(event) {
    if (event.code === "Space" && isControl(event.target) && !this.#isHeld) return; // it types or presses there
    if (isDialogOpen()) return;
    event.preventDefault();
    const { isRecording, isStopRequested } = this.#recorder;
    if (event.repeat || this.#isHeld || (isRecording && !isStopRequested)) return;
    this.#isHeld = true;
    this.#recorder.start();
  }

  /** @param {KeyboardEvent} event */
  #keyUp(event) {
    if (event.code === this.#preferences.get("pushToTalk")) this.#release();
  }

  #release() {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#recorder.stop();
  }
}

/** @param {string} key */
export const keyName = (key) => (t(`key.${key}`).startsWith("key.") ? key : t(`key.${key}`));

/** @param {EventTarget | null} target */
const isControl = (target) => target instanceof Element && target.closest(CONTROLS) !== null;

const isDialogOpen = () => document.querySelector("dialog[open], :popover-open") !== null;
