/**
 * Whether a connection is alive. Pure: knows no clock and no timer.
 *
 * A server reports its positions at least every five seconds of audio. A network that vanished without an error closes
 * no WebSocket for minutes, and a page sees no pings. A busy server is silent too: it does not read while four finals
 * are pending, and after the end of the audio it sends pending finals only. So silence of PROBE_AFTER_S, while
 * audio is unconfirmed or after its end, is checked by a request on another connection, and only a failed probe, or
 * silence of DEAD_AFTER_S, ends the stream. That limit doubles after each stream without progress: the text of a server
 * that needs longer for a final arrives nevertheless.
 */

export const PROBE_AFTER_S = 8;
export const DEAD_AFTER_S = 60;

export class Liveness {
  /** @param {number} nowS @param {number} attemptsWithoutProgress streams in a row that committed no audio */
  constructor(nowS, attemptsWithoutProgress) {
    this._deadAfterS = DEAD_AFTER_S * 2 ** attemptsWithoutProgress;
    this._waitingSinceS = nowS; // for a response
    this._isWaiting = true; // for `started`
    this._isEndSent = false;
    this._probedAtS = -Infinity;
  }

  /** Record that audio was sent. @param {number} nowS */
  onSent(nowS) {
    if (this._isWaiting) return;
    this._isWaiting = true;
    this._waitingSinceS = nowS;
  }

  /** Record that the end of the audio was sent: the server answers until the close. @param {number} nowS */
  onEndSent(nowS) {
    this.onSent(nowS);
    this._isEndSent = true;
  }

  /** Record a response. @param {number} nowS @param {boolean} isAllConfirmed the server received all audio sent */
  onReceived(nowS, isAllConfirmed) {
    this._waitingSinceS = nowS;
    this._isWaiting = this._isEndSent || !isAllConfirmed;
  }

  /**
   * Return what to do now: nothing, a probe, or end the stream.
   * @param {number} nowS
   * @returns {"alive" | "probe" | "dead"}
   */
  verdict(nowS) {
    const silentS = this._isWaiting ? nowS - this._waitingSinceS : 0;
    if (silentS >= this._deadAfterS) return "dead";
    if (silentS < PROBE_AFTER_S || nowS - this._probedAtS < PROBE_AFTER_S) return "alive";
    this._probedAtS = nowS;
    return "probe";
  }
}
