// @ts-check
/**
 * Messages and the state of the recording in the language of the page.
 *
 * @typedef {{kind?: string, message: string}} Cause `kind` names the message for translations
 * @typedef {Readonly<{state: string, keptMs: number, reason: string, status: string, kind: string, isCapturing: boolean,
 *   captureProblem: Cause | null}>} State as in recording/dictation.js
 */
import { sanitizeTranscript } from "../sheet/graphemes.js";
import { t } from "../strings.js";

/**
 * A sentence for the user: that of a known kind, else the message itself, such as one of the server.
 * @param {{kind?: string, message: string, values?: Record<string, string | number>}} message
 */
export function inWords({ kind, message, values = {} }) {
  const key = `message.${kind}`;
  const text = t(key, { ...values, message });
  return sanitizeTranscript(text === key ? message : text);
}

export const ABORTED = "ABORTED"; // status: an operator ended the recording
const REPORTED_STATES = ["idle", "idleUnreachable", "recording", "offline", "failed"]; // the others pass by themselves

/**
 * The state in words. `kept` follows them: how much audio waits for its text, which may change each second.
 * @param {State} state
 * @returns {{words: string, kept: string}}
 */
export function stateInWords({ state, keptMs, reason: message, status, kind, isCapturing, captureProblem }) {
  if (state === "failed" && status === ABORTED) return { words: t("state.aborted"), kept: keptIfAny(keptMs) };
  const reason = inWords({ kind: kind || status, message });
  const words = t(connectionKey(state, Boolean(reason), isCapturing && !captureProblem), { reason });
  const kept = keptInWords(state, keptMs, Boolean(reason), isCapturing);
  if (!captureProblem) return { words, kept };
  const problem = t(isCapturing ? "state.noAudio" : "state.ended", { reason: inWords(captureProblem) });
  const isConnectionNamed = state === "offline" || state === "failed" || Boolean(reason);
  return isConnectionNamed ? { words: `${problem} ${words}`, kept } : { words: problem, kept: "" };
}

/**
 * What to announce of the state, without what changes each second; empty for a state that passes by itself.
 * @param {State} state
 */
export function announcementOf(state) {
  const isReported = REPORTED_STATES.includes(state.state) || state.reason || state.captureProblem;
  return isReported ? stateInWords(state).words : "";
}

/**
 * @param {string} state
 * @param {boolean} hasReason
 * @param {boolean} isRecording
 */
function connectionKey(state, hasReason, isRecording) {
  if (state === "offline") return isRecording ? "state.offline" : "state.offlineStopped";
  if (state === "failed") return isRecording ? "state.failedRecording" : "state.failed";
  if (state === "connecting" || state === "stopping") {
    if (hasReason) return isRecording ? "state.waiting" : "state.waitingStopped";
  }
  return `state.${state}`;
}

/** @param {number} keptMs */
function keptIfAny(keptMs) {
  const seconds = Math.round(keptMs / 1000);
  return seconds ? t("state.kept", { seconds }) : "";
}

/**
 * @param {string} state
 * @param {number} keptMs
 * @param {boolean} hasReason
 * @param {boolean} isCapturing
 */
function keptInWords(state, keptMs, hasReason, isCapturing) {
  const seconds = Math.round(keptMs / 1000);
  if (state === "offline") return t("state.kept", { seconds });
  if (state === "failed") return isCapturing ? t("state.keptAfterSentence", { seconds }) : "";
  const isShown = hasReason ? ["connecting", "stopping"].includes(state) : state === "connecting" && seconds > 0;
  return isShown ? t("state.keptAfterSentence", { seconds }) : "";
}

/**
 * A sentence for the user about an error; what only the browser knows follows in its words.
 * @param {unknown} error
 */
export function errorInWords(error) {
  const { kind, message = String(error) } = /** @type {{kind?: string, message?: string}} */ (error);
  if (kind === "insecure") return t("insecure");
  if (kind === "unsupported") return `${t("error.unsupported")} (${sanitizeTranscript(message)})`;
  const text = t(`error.${kind}`);
  return text === `error.${kind}` ? inWords({ kind, message }) : text;
}
