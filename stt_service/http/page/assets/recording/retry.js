/**
 * When to try again after a stream failed. Pure: knows no clock and no timer; the rules of stt_client/recovery/retry.py.
 *
 * Differences to the client library: a page has one server, and never gives up because of time. It records without a
 * server until the storage is full, so only an error that another attempt cannot change ends the attempts.
 */

// Another attempt may succeed after these; all others need a change by the user.
const RETRYABLE_STATUSES = new Set([
  "UNAVAILABLE",
  "RESOURCE_EXHAUSTED",
  "INTERNAL",
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
]);
// Full jitter: every wait up to the bound is equally likely. The bound is under a second at first, so that recognition
// continues within a second of a server's restart; later it saves the battery of a phone.
const INITIAL_BACKOFF_S = 0.1;
const MAX_BACKOFF_S = 0.8;
const LONG_OUTAGE_S = 60;
const MAX_LONG_BACKOFF_S = 5;
const MAX_RETRY_AFTER_S = 30; // upper bound of a server's retryAfter
export const MAX_ATTEMPTS_WITHOUT_PROGRESS = 10; // accepted streams in a row that committed no audio
const MAX_DOUBLINGS = 10;

/** A stream failed; `status` is a gRPC status name. */
export class StreamError extends Error {
  /**
   * @param {string} message
   * @param {string} status
   * @param {number | null} [retryAfterS]
   * @param {string} [kind] names the message for translations; empty for most of the server
   */
  constructor(message, status, retryAfterS = null, kind = "") {
    super(message);
    this.name = "StreamError";
    this.status = status;
    this.retryAfterS = retryAfterS;
    this.kind = kind;
  }

  /** Whether the stream is possible without captions. */
  get isOfCaptions() {
    return this.kind.startsWith("captions");
  }
}

/** A failure that the server has sent: it answers. */
export class ServerFailure extends StreamError {}

export class RetryState {
  /**
   * @param {number} nowS
   * @param {() => number} jitter returns random numbers in 0..1
   */
  constructor(nowS, jitter) {
    this._jitter = jitter;
    this._failures = 0; // since a stream was last accepted
    this.attemptsWithoutProgress = 0;
    this._disconnectedSinceS = nowS;
    this._isStarted = false;
  }

  /** Record that the server accepted the stream. */
  onStarted() {
    this._isStarted = true;
    this._failures = 0;
  }

  /** Record that the server committed more audio. */
  onProgress() {
    this.attemptsWithoutProgress = 0;
  }

  /** Record that the audio continues after a pause, which counts against neither the server nor the audio. */
  onInputResumed() {
    this.attemptsWithoutProgress = 0;
  }

  /**
   * Return the seconds to wait before the next attempt.
   * @param {StreamError} error
   * @param {number} nowS
   * @throws {StreamError} another attempt is pointless
   */
  delayS(error, nowS) {
    if (!RETRYABLE_STATUSES.has(error.status)) throw error;
    if (this._isStarted) {
      this._isStarted = false;
      this._disconnectedSinceS = nowS;
      this.attemptsWithoutProgress += 1;
    }
    this._failures += 1;
    if (this.attemptsWithoutProgress >= MAX_ATTEMPTS_WITHOUT_PROGRESS) {
      throw new StreamError(error.message, error.status, null, "gave-up");
    }
    return this._nextWaitS(error, nowS - this._disconnectedSinceS);
  }

  _nextWaitS(error, outageS) {
    const limitS = outageS < LONG_OUTAGE_S ? MAX_BACKOFF_S : MAX_LONG_BACKOFF_S;
    const boundS = Math.min(limitS, INITIAL_BACKOFF_S * 2 ** Math.min(this._failures - 1, MAX_DOUBLINGS));
    const backoffS = boundS * this._jitter();
    if (!isRejectedForNow(error)) return backoffS;
    const requestedS = Math.min(error.retryAfterS, MAX_RETRY_AFTER_S) * (1 + this._jitter());
    return Math.max(requestedS, backoffS); // a server may request no delay at all
  }
}

/**
 * Return whether the server answers and admits no stream for now: no free slot, or a quota of the client.
 * @param {StreamError} error
 */
function isRejectedForNow(error) {
  return error.status === "RESOURCE_EXHAUSTED" && error.retryAfterS !== null;
}
