/**
 * Whether a connection is alive. Pure: knows no clock and no timer.
 *
 * A server reports its positions at least every five seconds of audio. A network that vanished without an error closes
 * no WebSocket for minutes, and a page sees no pings. A busy server is silent too: it does not read while four finals
 * are pending. So silence of PROBE_AFTER_S while audio is unconfirmed is checked by a request on another connection,
 * and only a failed probe, or silence of DEAD_AFTER_S, ends the stream.
 */

export const PROBE_AFTER_S = 8;
export const DEAD_AFTER_S = 60;

export class Liveness {
  /** @param {number} nowS */
  constructor(nowS) {
    this._waitingSinceS = nowS; // for a response
    this._isWaiting = true; // for `started`
    this._probedAtS = -Infinity;
  }

  /** Record that audio was sent. @param {number} nowS */
  onSent(nowS) {
    if (this._isWaiting) return;
    this._isWaiting = true;
    this._waitingSinceS = nowS;
  }

  /** Record a response. @param {number} nowS @param {boolean} isAllConfirmed the server received all audio sent */
  onReceived(nowS, isAllConfirmed) {
    this._waitingSinceS = nowS;
    this._isWaiting = !isAllConfirmed;
  }

  /**
   * Return what to do now: nothing, a probe, or end the stream.
   * @param {number} nowS
   * @returns {"alive" | "probe" | "dead"}
   */
  verdict(nowS) {
    const silentS = this._isWaiting ? nowS - this._waitingSinceS : 0;
    if (silentS >= DEAD_AFTER_S) return "dead";
    if (silentS < PROBE_AFTER_S || nowS - this._probedAtS < PROBE_AFTER_S) return "alive";
    this._probedAtS = nowS;
    return "probe";
  }
}
