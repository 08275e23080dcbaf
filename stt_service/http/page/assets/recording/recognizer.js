/**
 * Recognizes one recording over any number of streams: connects, sends what is not committed, resumes.
 *
 * The loop of stt_client/client.py for a page. Each stream sends the config, waits for `started`, then sends the replay
 * buffer from its start and new audio as it arrives. `ResumeTracker` filters repeated events, `RetryState` decides
 * whether and when the next attempt starts, `Liveness` when a silent connection is dead. This module knows neither
 * where audio comes from nor where text goes.
 */

import { Liveness } from "./liveness.js";
import { RetryState, StreamError } from "./retry.js";
import { isReachable, rejection } from "./server-info.js";
import { StreamSocket } from "./stream-socket.js";

const START_TIMEOUT_S = 10; // for the server to accept the stream
const WATCH_MS = 1000; // between two looks at the connection
const REPLACED_STATUS = "REPLACED"; // of a stream that was ended for a changed first frame
export const IDLE_STATUS = "DEADLINE_EXCEEDED"; // of a stream that received no audio for IDLE_TIMEOUT

/** @returns {number} monotonic seconds */
const nowS = () => performance.now() / 1000;

export class Recognizer {
  /**
   * @param {{baseUrl: string, token: string, captions: object | null}} target
   * @param {import("./audio-format.js").AudioFormat} format
   * @param {import("./replay-buffer.js").ReplayBuffer} buffer
   * @param {import("./resume.js").ResumeTracker} tracker
   * @param {{recording: string, wasStarted: boolean, onEvent: (event: object) => void, onCommit: () => void,
   *   onConnection: (isConnected: boolean, error: StreamError | null) => void}} owner `onEvent` is called with new
   *   events only; `recording`: its id; `wasStarted`: a server has accepted a stream of this recording
   */
  constructor(target, format, buffer, tracker, owner) {
    this.target = target; // of the next stream
    this._format = format;
    this._buffer = buffer;
    this._tracker = tracker;
    this._owner = owner;
    this.wasStarted = owner.wasStarted;
    this._retry = new RetryState(nowS(), Math.random);
    this._isInputEnded = false;
    this._isAbandoned = false;
    this._cursor = buffer.start; // of the current stream
    this._isAllSent = false; // by the current stream
    this._isAccepted = false;
    this._socket = null;
    this._wakeSender = () => {};
    this._skipDelay = () => {};
  }

  /**
   * Return once all audio is committed.
   * @throws {StreamError} the server rejected the stream, and another attempt would not change that; or its captions
   */
  async run() {
    while (!this._isAbandoned) {
      const error = await this._stream();
      if (!error || this._isComplete) return;
      if (error.status === REPLACED_STATUS) continue;
      if (error.isOfCaptions) throw error;
      const delayS = this._retry.delayS(error, nowS());
      if (this._isAbandoned) return;
      this._owner.onConnection(false, error);
      if (error.status === IDLE_STATUS) await this._inputContinues();
      await this._wait(delayS);
    }
  }

  /** The recording has ended: half-close the stream once everything is sent. */
  endInput() {
    this._isInputEnded = true;
    this._wakeSender();
  }

  /** Audio or a command was appended to the buffer. */
  onInput() {
    this._wakeSender();
  }

  /** Cut the wait before the next attempt short: the network is back. */
  retryNow() {
    this._skipDelay();
  }

  /**
   * Publish the text under other captions: the next stream, at once, replaces an open one.
   * @param {object | null} captions
   */
  publish(captions) {
    this.target = { ...this.target, captions };
    this._socket?.abort(new StreamError("The captions have changed.", REPLACED_STATUS));
  }

  /** Close the connection; `run` returns. */
  abandon() {
    this._isAbandoned = true;
    this._socket?.abort(new StreamError("The recording was abandoned.", "CANCELLED"));
    this._wakeSender();
    this._skipDelay();
  }

  /** Whether all audio was committed although the stream failed before its end. */
  get _isComplete() {
    return this.wasStarted && this._isInputEnded && !this._buffer.durationMs;
  }

  /** Run one stream; return its error, or null at its regular end. */
  async _stream() {
    this._cursor = this._buffer.start;
    this._isAllSent = false;
    const { baseUrl, token } = this.target;
    const socket = new StreamSocket(baseUrl, token, this._opening(), (event) => this._onEvent(event));
    this._socket = socket;
    this._liveness = new Liveness(nowS(), this._retry.attemptsWithoutProgress);
    this._isAccepted = false;
    const startedAtS = nowS();
    const watch = setInterval(() => this._watch(socket, startedAtS), WATCH_MS);
    const { isClean, wasOpen, error } = await socket.closed;
    clearInterval(watch);
    this._socket = null;
    this._wakeSender(); // of this stream, which returns
    if (isClean && this._isAllSent) return null;
    const isKnown = wasOpen || this._isAbandoned || error.status === REPLACED_STATUS;
    return isKnown ? error : rejection(baseUrl, token);
  }

  _opening() {
    const config = {
      format: this._format.toMessage(),
      settings: this._buffer.settings,
      partials: true,
      wordTimes: true,
      clientId: "page",
      resumable: true,
    };
    if (this.wasStarted) config.resume = { ...this._tracker.resume, leftContextMs: this._buffer.leftContextMs };
    const { captions } = this.target;
    return captions ? { config, captions: { ...captions, recording: this._owner.recording } } : { config };
  }

  _onEvent(event) {
    const isAllConfirmed = event.receivedMs >= Math.floor(this._format.msOf(this._cursor.position));
    this._liveness.onReceived(nowS(), isAllConfirmed);
    if (event.type === "started") this._onStarted();
    else if (!this._isAccepted && event.type !== "failure") {
      // Audio is sent only after `started`, so with any other event both sides would wait forever.
      throw new StreamError("The server did not start the stream.", "INTERNAL");
    }
    this._track(event);
  }

  _onStarted() {
    this._isAccepted = this.wasStarted = true;
    this._retry.onStarted();
    this._owner.onConnection(true, null);
    const socket = this._socket;
    this._sendAll(socket).catch((error) =>
      socket.abort(new StreamError(String(error), "DATA_LOSS", null, "audio-lost")),
    );
  }

  _track(event) {
    const beforeMs = this._tracker.committedMs;
    // A broken server must not make the page discard audio that was not sent.
    const sentMs = Math.ceil(this._format.msOf(this._cursor.position));
    const isNew = this._tracker.handle({ ...event, committedMs: Math.min(event.committedMs, sentMs) });
    if (this._tracker.committedMs > beforeMs) {
      this._buffer.commit(this._tracker.committedMs);
      this._retry.onProgress();
      this._owner.onCommit();
    }
    if (isNew) this._owner.onEvent(event);
  }

  /** Send the buffer and new items until the input ends, then half-close. */
  async _sendAll(socket) {
    while (socket.isOpen) {
      const next = await this._buffer.read(this._cursor);
      if (!socket.isOpen) return;
      if (next) {
        this._cursor = next.cursor;
        socket.send(next.item);
        this._liveness.onSent(nowS());
        await socket.drained();
      } else if (this._isInputEnded) {
        socket.send({ end: {} });
        this._isAllSent = true;
        this._liveness.onEndSent(nowS());
        return;
      } else {
        await this._inputUntil(() => this._hasInput || !socket.isOpen);
      }
    }
  }

  /** End a stream that the server did not accept in time, or whose connection is dead. */
  _watch(socket, startedAtS) {
    if (!this._isAccepted && nowS() - startedAtS >= START_TIMEOUT_S) {
      socket.abort(new StreamError("The server does not answer.", "UNAVAILABLE"));
      return;
    }
    const verdict = this._liveness.verdict(nowS());
    if (verdict === "dead") socket.abort(new StreamError("The server no longer answers.", "UNAVAILABLE"));
    else if (verdict === "probe") this._probe(socket);
  }

  async _probe(socket) {
    if (await isReachable(this.target.baseUrl)) return;
    socket.abort(new StreamError("The connection to the server is lost.", "UNAVAILABLE"));
  }

  /** Wait until there is audio to send: a stream that resumes before that would be as idle as the last. */
  async _inputContinues() {
    await this._inputUntil(() => this._hasInput || this._isAbandoned);
    this._retry.onInputResumed();
  }

  get _hasInput() {
    return this._isInputEnded || !this._buffer.isAtEnd(this._cursor);
  }

  /** Resolve once the condition holds; it is checked after each input. */
  async _inputUntil(isReady) {
    while (!isReady()) {
      await new Promise((resolve) => {
        this._wakeSender = resolve;
      });
    }
  }

  async _wait(delayS) {
    let timer;
    await new Promise((resolve) => {
      this._skipDelay = resolve;
      timer = setTimeout(resolve, delayS * 1000);
    });
    clearTimeout(timer);
  }
}
