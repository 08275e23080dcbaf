/**
 * A microphone: 16-bit mono PCM at the native rate of the audio context, from an AudioWorklet.
 *
 * Everything that can silence a microphone is reported: an unplugged device, a revoked permission, a device that another
 * program mutes, an interruption by a call, a suspended page. While it records, the screen does not lock.
 */

import { within } from "../within.js";
import { CaptureClock } from "./capture-clock.js";

const START_TIMEOUT_MS = 3000; // a browser may wait for a click, or for a device that plays sound
const STALLED_MS = 3000; // without audio, although the microphone is on
const STOP_TIMEOUT_MS = 1000; // for the rest of the audio, from a context that may be suspended

/** The microphone cannot be used; `kind` is why. */
export class DictationError extends Error {
  /**
   * @param {"insecure" | "denied" | "no-device" | "busy" | "disconnected" | "unsupported"} kind
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.name = "DictationError";
    this.kind = kind;
  }
}

const DENIED = ["denied", "The browser does not permit this page to use the microphone. Allow it in the address bar."];
const KINDS = {
  NotAllowedError: DENIED,
  SecurityError: DENIED,
  NotFoundError: ["no-device", "No microphone was found. Connect one, or select another."],
  OverconstrainedError: ["no-device", "The selected microphone was not found. Connect it, or select another."],
  NotReadableError: ["busy", "The microphone does not start. Another program may be using it."],
  AbortError: ["busy", "The microphone does not start. Another program may be using it."],
};

const DISCONNECTED = {
  kind: "disconnected",
  message: "The microphone was disconnected, or its permission was revoked.",
};

const GESTURES = ["pointerup", "keydown"]; // of the user, for which a browser permits sound

const MUTED = { kind: "muted", message: "The system muted the microphone." };
const PAUSED = { kind: "paused", message: "The browser paused the recording: click or tap the page." };
const NO_AUDIO = { kind: "no-audio", message: "The microphone delivers no audio." };

/**
 * @typedef {{onChunk: (pcm: Uint8Array) => void, onLevel: (level: {rms: number, peak: number}) => void,
 *   onGap: (gap: {missingMs: number, isPause: boolean}) => void, onInterruption: (cause: Cause | null) => void,
 *   onEnded: (cause: Cause) => void}} Handlers `onInterruption`: why there is no audio from now on; null: there is again
 * @typedef {Readonly<{kind: string, message: string}>} Cause `kind` names the message for translations
 */

export class Microphone {
  /**
   * Open the microphone. The handlers are called until `stop`. It may be interrupted from the start.
   * @param {MediaTrackConstraints} constraints
   * @param {Handlers} handlers
   * @throws {DictationError}
   */
  static async open(constraints, handlers) {
    requireSupport();
    const stream = await openStream(constraints);
    let context = null;
    try {
      context = new AudioContext({ latencyHint: "interactive" });
      await context.audioWorklet.addModule(new URL("./capture-worklet.js", import.meta.url));
      await within(START_TIMEOUT_MS, context.resume()).catch(() => {}); // else the recording begins with an interruption
      requireLive(stream);
      return new Microphone(stream, context, handlers);
    } catch (error) {
      stream.getTracks().forEach((track) => track.stop());
      await context?.close();
      throw toDictationError(error);
    }
  }

  /** Use `open`. */
  constructor(stream, context, handlers) {
    this._stream = stream;
    this._context = context;
    this._handlers = handlers;
    this._clock = new CaptureClock();
    this._stopping = new AbortController();
    this._node = new AudioWorkletNode(context, "stt-capture", { channelCountMode: "max" });
    this._node.port.onmessage = ({ data }) => this._onMessage(data);
    context.createMediaStreamSource(stream).connect(this._node);
    this._node.connect(context.destination); // silence; an unconnected node is not processed everywhere
    this._wakeLock = new WakeLock(this._stopping.signal);
    this._track = stream.getAudioTracks()[0];
    this._listen();
    this._watchdog = null;
    /** @type {Cause | null} */
    this._interruption = this._causeOr(null);
    this._expectAudio();
  }

  /** Why there is no audio now; null: there is. */
  get interruption() {
    return this._interruption;
  }

  /** Samples per second. */
  get rateHz() {
    return this._context.sampleRate;
  }

  /** Release the microphone; resolve once `onChunk` was called with the rest of the audio. */
  async stop() {
    if (this._stopping.signal.aborted) return;
    this._stopping.abort();
    clearTimeout(this._watchdog);
    const rest = new Promise((resolve) => {
      this._onLast = resolve;
    });
    this._node.port.postMessage("stop");
    await within(STOP_TIMEOUT_MS, rest);
    this._stream.getTracks().forEach((track) => track.stop());
    await this._context.close();
  }

  _onMessage({ pcm, rms, peak, wallMs, isLast }) {
    if (isLast) {
      this._onLast();
      return;
    }
    const chunkMs = (pcm.byteLength / 2 / this.rateHz) * 1000;
    const gap = this._clock.onChunk(wallMs, chunkMs, Date.now() - performance.now());
    if (gap) this._handlers.onGap(gap);
    if (!this._stopping.signal.aborted) this._onAudio();
    this._handlers.onChunk(new Uint8Array(pcm));
    this._handlers.onLevel({ rms, peak });
  }

  _onAudio() {
    this._setInterruption(this._causeOr(null)); // a muted track delivers silence
    this._expectAudio();
  }

  /** Check for audio until the microphone stops: an interruption may last, and a browser may reject `resume`. */
  _expectAudio() {
    clearTimeout(this._watchdog);
    this._watchdog = setTimeout(() => this._onStalled(), STALLED_MS);
  }

  _onStalled() {
    this._setInterruption(this._causeOr(NO_AUDIO));
    this._resume();
    this._expectAudio();
  }

  /** @param {Cause | null} otherwise without a known cause */
  _causeOr(otherwise) {
    if (this._track.muted) return MUTED;
    return this._context.state === "running" ? otherwise : PAUSED;
  }

  /** @param {Cause | null} cause */
  _setInterruption(cause) {
    if (cause === this._interruption) return;
    this._interruption = cause;
    this._handlers.onInterruption(cause);
  }

  _listen() {
    const { signal } = this._stopping;
    this._track.addEventListener("ended", () => this._handlers.onEnded(DISCONNECTED), { signal });
    this._track.addEventListener("mute", () => this._setInterruption(MUTED), { signal }); // until the next audio
    // iOS suspends the context in the background and during calls.
    this._context.addEventListener("statechange", () => this._onStateChange(), { signal });
    for (const event of ["visibilitychange", ...GESTURES])
      document.addEventListener(event, () => this._resume(), { signal });
  }

  _onStateChange() {
    if (this._context.state === "running") return;
    this._setInterruption(this._causeOr(NO_AUDIO));
    this._resume();
  }

  _resume() {
    const isPaused = this._context.state !== "running" && this._context.state !== "closed";
    // Rejected while the interruption lasts; the watchdog, a gesture and the next change of state try again.
    if (isPaused && document.visibilityState === "visible") this._context.resume().catch(() => {});
  }
}

/** Keeps the screen on until the signal; the browser releases the lock whenever the page is hidden. */
class WakeLock {
  /** @param {AbortSignal} signal */
  constructor(signal) {
    this._signal = signal;
    this._lock = null;
    signal.addEventListener("abort", () => this._lock?.release());
    document.addEventListener("visibilitychange", () => this._acquire(), { signal });
    this._acquire();
  }

  async _acquire() {
    if (!navigator.wakeLock || document.visibilityState !== "visible") return;
    try {
      this._lock = await navigator.wakeLock.request("screen");
    } catch {
      return; // the battery is low, or a policy forbids it: the screen may lock
    }
    if (this._signal.aborted) this._lock.release();
  }
}

function requireSupport() {
  if (!window.isSecureContext) {
    const message = "The browser permits microphones only over HTTPS or on localhost. Open this page with https://.";
    throw new DictationError("insecure", message);
  }
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
    throw new DictationError("unsupported", "This browser cannot record audio. Use a current one.");
  }
}

async function openStream(constraints) {
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: constraints });
  } catch (error) {
    const [kind, message] = KINDS[error.name] ?? [];
    throw kind ? new DictationError(kind, message) : toDictationError(error);
  }
}

/** A track that ended before anything listened to it has no event any more. */
function requireLive(stream) {
  if (stream.getAudioTracks()[0].readyState === "live") return;
  throw new DictationError(DISCONNECTED.kind, DISCONNECTED.message);
}

function toDictationError(error) {
  if (error instanceof DictationError) return error;
  return new DictationError("unsupported", `The browser cannot record: ${error.message}`);
}
