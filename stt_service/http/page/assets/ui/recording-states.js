// @ts-check
/**
 * The states of the recordings of a page, of which one is shown.
 *
 * @typedef {import("./messages.js").State} State
 * @typedef {import("../recording/dictation.js").Dictation} Dictation
 */

/** @type {State} */
export const IDLE = {
  state: "idle",
  keptMs: 0,
  reason: "",
  status: "",
  kind: "",
  isCapturing: false,
  captureProblem: null,
};

export class RecordingStates {
  /** @type {WeakMap<Dictation, State>} */ #states = new WeakMap();

  /**
   * @param {Dictation} dictation
   * @param {State} state
   */
  set(dictation, state) {
    this.#states.set(dictation, state);
  }

  /**
   * The state to show, and its recording: the current one, or once it has ended, the newest that still waits for text.
   * `keptMs` is the audio without text of all of them.
   * @param {Dictation | null} current
   * @param {Dictation[]} waiting the oldest first
   * @param {boolean} isStarting the current one is being started
   */
  shown(current, waiting, isStarting) {
    const { state, captureProblem } = this.#of(current);
    const dictation = isStarting || state !== "idle" ? current : (waiting.at(-1) ?? current);
    const all = new Set([dictation, ...waiting]);
    const keptMs = [...all].reduce((sum, each) => sum + this.#of(each).keptMs, 0);
    return { dictation, state: { ...this.#of(dictation), captureProblem, keptMs } };
  }

  /** @param {Dictation | null} dictation */
  #of(dictation) {
    return (dictation && this.#states.get(dictation)) ?? IDLE;
  }
}
