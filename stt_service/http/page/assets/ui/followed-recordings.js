// @ts-check
/**
 * The recordings that a page follows, and what the user changes while they are recognized: settings, captions, token.
 *
 * @typedef {import("../recording/dictation.js").Dictation} Dictation
 * @typedef {{startedAt: number, dictation: Dictation, status: string, tried: string, isPlaced: boolean,
 *   hasEnded: boolean}} FollowedRecording `startedAt`: as of Date.now(). `status`: of its failure. `tried`: the settings
 *   of its last attempt, as JSON. `isPlaced`: its further text has a place in the sheet
 */
import { ABORTED } from "./messages.js";

const MAX_ENDED = 20; // recordings whose audio is played from memory; that of earlier ones is read from the storage
const CAPTIONS_SETTINGS = ["publish", "captionsName"];
const STREAM_SETTINGS = ["language", "hotwords", "silence"];
export const INVALID_ARGUMENT = "INVALID_ARGUMENT"; // status: the server rejected the settings

export class FollowedRecordings {
  #preferences;
  /** @type {Map<string, FollowedRecording>} */ #byId = new Map(); // the oldest first

  /** @param {import("./preferences.js").Preferences} preferences */
  constructor(preferences) {
    this.#preferences = preferences;
  }

  /** @param {string} id */
  get(id) {
    return this.#byId.get(id);
  }

  /** Those that have no text yet for all of their audio. */
  get waiting() {
    return this.#all.filter(({ hasEnded }) => !hasEnded).map(({ dictation }) => dictation);
  }

  /** When the newest of them began, as of Date.now(); 0 before the first. */
  get lastStart() {
    return Math.max(0, ...this.#all.map(({ startedAt }) => startedAt));
  }

  get #all() {
    return [...this.#byId.values()];
  }

  /**
   * Follow a recording from now on.
   * @param {string} id
   * @param {Dictation} dictation
   */
  add(id, dictation) {
    const tried = JSON.stringify(this.#preferences.streamSettings());
    const { startedAt } = dictation;
    const followed = { startedAt, dictation, status: "", tried, isPlaced: false, hasEnded: false };
    this.#byId.set(id, followed);
    return followed;
  }

  /** @param {FollowedRecording} followed has all of its text */
  end(followed) {
    followed.hasEnded = true;
    const ended = [...this.#byId].filter(([, { hasEnded }]) => hasEnded);
    for (const [id] of ended.slice(0, -MAX_ENDED)) this.#byId.delete(id);
  }

  /** The options of a recording for a sheet, as the user has chosen now. @param {string} sheet */
  options(sheet) {
    return {
      baseUrl: location.origin,
      sheet,
      token: this.#preferences.token,
      settings: this.#preferences.streamSettings(),
      captions: this.#preferences.captions(),
      audio: { noiseSuppression: this.#preferences.get("noiseSuppression") },
    };
  }

  /**
   * Use a value that the user has changed.
   * @param {string} name of the preference
   * @param {Dictation | null} running maybe not followed yet: its microphone still opens
   */
  apply(name, running) {
    if (STREAM_SETTINGS.includes(name)) this.#update(running);
    if (CAPTIONS_SETTINGS.includes(name)) this.#publish(running);
    // A recording that an operator has ended waits for `retry`.
    if (name === "token") this.#reconnect(running, ({ status }) => status !== ABORTED);
  }

  /**
   * Use changed settings for the running recording from its next utterance on, and for rejected ones.
   * @param {Dictation | null} running
   */
  #update(running) {
    const rejected = this.#all.filter(({ status }) => status === INVALID_ARGUMENT);
    for (const followed of rejected) this.retryWithSettings(followed);
    const isRejected = rejected.some(({ dictation }) => dictation === running);
    if (!isRejected) running?.update(this.#preferences.updatedSettings());
  }

  /** Try again if the settings have changed since they were rejected. @param {FollowedRecording} followed */
  retryWithSettings(followed) {
    const settings = this.#preferences.streamSettings();
    const tried = JSON.stringify(settings);
    if (tried === followed.tried) return;
    followed.tried = tried;
    followed.dictation.reconnect({ settings });
  }

  /**
   * Publish the running recording as the user has chosen now. The others were made before, and are withdrawn.
   * @param {Dictation | null} running
   */
  #publish(running) {
    running?.publish(this.#preferences.captions());
    for (const { dictation } of this.#all) if (dictation !== running) dictation.publish(null);
  }

  /** Try failed recordings again. */
  retry() {
    this.#reconnect(null, () => true);
  }

  /**
   * Use the current token for the running recording, and for those that are chosen.
   * @param {Dictation | null} running
   * @param {(followed: FollowedRecording) => boolean} isChosen
   */
  #reconnect(running, isChosen) {
    const chosen = this.#all.filter(isChosen).map(({ dictation }) => dictation);
    const token = this.#preferences.token;
    for (const dictation of new Set([running, ...chosen])) dictation?.reconnect({ token });
  }

  /**
   * Text that comes from now on belongs to another sheet.
   * @param {string} sheet
   * @param {Dictation | null} running maybe not followed yet
   */
  deliverTo(sheet, running) {
    const followed = this.#all.map(({ dictation }) => dictation);
    for (const dictation of new Set([running, ...followed])) dictation?.deliverTo(sheet);
  }
}
