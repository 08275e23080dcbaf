/**
 * One recording while it is open: microphone → recording → recognizer → events.
 *
 * Two things change independently: whether the microphone records, and the connection. The state for the user:
 *
 *   connection    microphone on     microphone off
 *   connecting    connecting        stopping: with a reason if the server admits no stream for now
 *   connected     recording         stopping
 *   offline       offline           offline: what is kept is sent once the server returns
 *   failed        failed            failed: what is kept can be recovered after the reason is removed
 *   complete                        idle
 *
 * Recording goes on when the connection failed, so that nothing is lost. Only an operator (ABORTED) ends it. A third
 * thing is independent of both: `captureProblem`, for which a microphone that is on delivers no audio, or for which the
 * recording ended without the user.
 */

import { within } from "../within.js";
import { Microphone } from "./microphone.js";
import { IDLE_STATUS, Recognizer } from "./recognizer.js";
import { ServerFailure } from "./retry.js";

const REPORT_MS = 1000; // between two states while there is no connection, for `keptMs`
const FLUSH_TIMEOUT_MS = 3000; // a storage that hangs must delay neither the text nor the next sheet
const ABORTED_STATUS = "ABORTED";

/**
 * @typedef {"connecting" | "connected" | "offline" | "failed" | "complete"} Connection
 * @typedef {import("./microphone.js").Cause} Cause
 */

export class Session {
  /**
   * @param {import("./recording.js").Recording} recording
   * @param {{baseUrl: string, token: string, captions: object | null}} target
   * @param {(type: string, detail: object) => void} emit
   * @param {() => void} onClosed the recording is complete, or was abandoned
   */
  constructor(recording, target, emit, onClosed) {
    this.recording = recording;
    this._target = target;
    this._emit = emit;
    this._onClosed = onClosed;
    this._microphone = null;
    /** @type {Connection} */
    this._connection = "connecting";
    this._reason = "";
    this._status = "";
    this._kind = ""; // of the reason
    /** @type {Cause | null} why the microphone delivers no audio now */
    this._interruption = null;
    /** @type {Cause | null} why the recording ended by itself */
    this._endCause = null;
    /** @type {{captions: object | null, afterMs: number} | null} captions to use once the audio before is committed */
    this._publication = null;
    this._isStopping = false;
    this._isAbandoned = false;
    this._waiting = []; // resolve the calls of `stop`
    this._reporting = setInterval(() => this._report(), REPORT_MS);
    this._onOnline = () => this._recognizer?.retryNow();
    window.addEventListener("online", this._onOnline);
  }

  get keptMs() {
    return this._connection === "complete" ? 0 : this.recording.buffer.durationMs;
  }

  get isCapturing() {
    return this._microphone !== null && !this._isStopping;
  }

  get isOpen() {
    return this._connection !== "complete";
  }

  /**
   * Open the microphone and start a session with it.
   * @param {MediaTrackConstraints} constraints
   * @param {(rateHz: number) => Session} open
   * @throws {import("./microphone.js").DictationError}
   */
  static async record(constraints, open) {
    let session = null;
    const microphone = await Microphone.open(constraints, {
      onChunk: (pcm) => session._onChunk(pcm),
      onLevel: (level) => session._emit("level", { ...level, recordedMs: session.recording.durationMs }),
      onGap: (gap) => session._onGap(gap),
      onInterruption: (cause) => session._onInterruption(cause),
      onEnded: (cause) => session._end(cause),
    });
    session = open(microphone.rateHz); // before the first handler is called
    session._microphone = microphone;
    session._interruption = microphone.interruption;
    session.connect();
    return session;
  }

  /**
   * Recognize what is not committed; also after a failure. A running attempt keeps its settings.
   * @param {object} [target] changed fields of the target
   * @param {object} [settings] replace those of the audio that is not committed
   */
  connect(target = {}, settings) {
    this._target = { ...this._target, ...target };
    if (this._recognizer) {
      this._recognizer.target = this._target;
      return;
    }
    if (settings) this.recording.replaceSettings(settings);
    const { id, format, buffer, tracker, wasStarted } = this.recording;
    const owner = {
      recording: id,
      wasStarted,
      onEvent: (event) => this._onEvent(event),
      onCommit: () => this._onCommit(),
      onConnection: (isConnected, error) => this._onConnection(isConnected, error),
    };
    this._recognizer = new Recognizer(this._target, format, buffer, tracker, owner);
    if (!this._microphone) this._recognizer.endInput();
    this._setConnection("connecting", "");
    this._recognizer.run().then(
      () => this._onComplete(),
      (error) => this._onFailed(error),
    );
  }

  /**
   * Publish under other captions, or withdraw them. What was recorded while there were none stays private: captions begin
   * once it is committed.
   * @param {object | null} captions
   */
  publish(captions) {
    const isPrivate = this._target.captions === null;
    const afterMs = isPrivate ? this.recording.durationMs : 0;
    this._publication = isPrivate && !captions ? null : { captions, afterMs };
    this._publish();
  }

  _publish() {
    if (!this._publication || this.recording.committedMs < this._publication.afterMs) return;
    const { captions } = this._publication;
    this._publication = null;
    this.recording.publishAs(captions);
    this._target = { ...this._target, captions };
    this._recognizer?.publish(captions);
  }

  /** @param {import("./replay-buffer.js").Command} command */
  command(command) {
    if (this._isStopping) return;
    this.recording.appendCommand(command);
    this._recognizer?.onInput();
  }

  /** Resolve once the storage has the audio, has refused it again, or does not answer. */
  async flush() {
    await within(FLUSH_TIMEOUT_MS, this.recording.flush());
  }

  /**
   * End the recording.
   * @returns {Promise<{isComplete: boolean, keptMs: number}>} once everything is committed, or kept without a server, in
   *   memory only if the storage does not answer
   */
  async stop() {
    if (!this._isStopping) {
      this._isStopping = true;
      this._emitState();
      await this._microphone?.stop();
      this._microphone = null;
      this._recognizer?.endInput();
      await this.flush();
    }
    if (this._isAnswerExpected) {
      await new Promise((resolve) => this._waiting.push(resolve));
    }
    return { isComplete: !this.isOpen, keptMs: this.keptMs };
  }

  /** Whether the current attempt has not failed: it may still complete the recording. */
  get _isAnswerExpected() {
    return this._connection === "connected" || (this._connection === "connecting" && !this._reason);
  }

  /** Close everything without waiting for the server; the recording stays in the journal. */
  async abandon() {
    this._isStopping = this._isAbandoned = true;
    await this._microphone?.stop();
    this._microphone = null;
    this._recognizer?.abandon();
    await this.flush();
    this._settled();
    this._close();
  }

  _onChunk(pcm) {
    const { tape } = this.recording;
    tape.append(pcm);
    this._recognizer?.onInput();
    if (tape.isFull && !this._isStopping) {
      const message = "The recording was stopped: the storage and the memory for audio are full.";
      this._emit("storage", { kind: "stopped", message });
      this._end({ kind: "stopped", message });
    }
  }

  _onGap({ missingMs, isPause }) {
    const cause = isPause ? "The microphone was paused" : "This computer is too busy";
    const seconds = (missingMs / 1000).toFixed(1);
    const message = `${cause}: ${seconds} s were not recorded.`;
    this._emit("notice", { kind: isPause ? "gap-paused" : "gap-busy", message, values: { seconds } });
    if (isPause) this.command({ finalize: {} }); // words before and after the pause are not one sentence
  }

  /** @param {Cause | null} cause */
  _onInterruption(cause) {
    this._interruption = cause;
    this._emitState();
  }

  /** End the recording without the user. @param {Cause} cause */
  _end(cause) {
    this._endCause = cause;
    this.stop();
  }

  _onEvent(event) {
    const { type, receivedMs, committedMs, ...detail } = event;
    if (type === "started") {
      this.recording.save({ wasStarted: true });
    } else if (["speech", "partial", "final", "suppressed", "notice"].includes(type)) {
      this.recording.saveResult(event);
      this._emit(type, { recording: this.recording.id, ...detail });
    }
  }

  _onCommit() {
    this.recording.save();
    this._publish();
  }

  _onConnection(isConnected, error) {
    if (isConnected) this._setConnection("connected", "");
    else if (error.status === IDLE_STATUS)
      this._setConnection("connecting", ""); // once there is audio to send
    else {
      const connection = error instanceof ServerFailure ? "connecting" : "offline";
      this._setConnection(connection, error.message, error.status, error.kind);
    }
    if (error && this._isStopping) this._settled();
  }

  _onFailed(error) {
    this._recognizer = null;
    if (error.isOfCaptions && this._target.captions) return this._withholdCaptions(error);
    this._setConnection("failed", error.message, error.status, error.kind);
    this._settled();
    if (error.status === ABORTED_STATUS) this.stop();
  }

  /** Go on without captions that the server has rejected: dictation does not depend on them. */
  _withholdCaptions({ kind, message }) {
    const { name } = this._target.captions;
    this._emit("notice", { kind, message, values: { name } });
    this.connect({ captions: null });
  }

  _onComplete() {
    if (this._isAbandoned) return;
    this.recording.save({ isComplete: true });
    this.recording.tape.complete();
    this._setConnection("complete", "");
    this._settled();
    this._close();
  }

  _settled() {
    this._waiting.splice(0).forEach((resolve) => resolve());
  }

  _close() {
    clearInterval(this._reporting);
    window.removeEventListener("online", this._onOnline);
    this._onClosed();
  }

  _setConnection(connection, reason, status = "", kind = "") {
    this._connection = connection;
    this._reason = reason;
    this._status = status;
    this._kind = kind;
    this._emitState();
  }

  /** Repeat the state while `keptMs` changes without another event. */
  _report() {
    const isFinal = this._connection === "failed" && !this.isCapturing;
    const isLive = this._connection === "connected" && !this._isStopping;
    if (!isFinal && !isLive) this._emitState();
  }

  get _state() {
    if (this._connection === "complete") return "idle";
    if (this._connection === "offline" || this._connection === "failed") return this._connection;
    if (this._isStopping || !this._microphone) return "stopping";
    return this._connection === "connected" ? "recording" : "connecting";
  }

  _emitState() {
    this._emit("state", {
      state: this._state,
      keptMs: this.keptMs,
      reason: this._reason,
      status: this._status,
      kind: this._kind,
      isCapturing: this.isCapturing,
      captureProblem: this.isCapturing ? this._interruption : this._endCause,
      recording: this.recording.id,
    });
  }
}
